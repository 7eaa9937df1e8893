import CRDMACore
import Glibc
import Verbs

/// The RDMA devices of this host.
enum DeviceDiscovery {
    /// Opens the device of that name.
    static func open(_ name: String) throws(VerbsAdapterError) -> UnsafeMutablePointer<ibv_context> {
        var count: Int32 = 0
        // Without the kernel's RDMA modules there is no list at all.
        guard let list = ibv_get_device_list(&count) else { throw .noDevices(wanted: name) }
        defer { ibv_free_device_list(list) }
        var existing: [String] = []
        for position in 0..<Int(max(0, count)) {
            guard let device = list[position] else { continue }
            let deviceName = Self.name(of: device)
            existing.append(deviceName)
            // A library for programs, as the drop-in is one, has devices that the kernel does not know.
            guard isPresent(deviceName) else { throw .notTheLibraryOfDevices(existing: deviceName) }
            guard deviceName == name else { continue }
            guard device.pointee.transport_type == IBV_TRANSPORT_IB else {
                throw .wrongTransport(name, transport: transportName(device.pointee.transport_type))
            }
            guard let context = ibv_open_device(device) else {
                let error = Errno.ofDevice
                let file = "/dev/infiniband/\(verbsFile(of: device))"
                throw .cannotOpen(device: name, file: file, obstacle(to: file) ?? error)
            }
            return context
        }
        guard !existing.isEmpty else { throw .noDevices(wanted: name) }
        throw .unknownDevice(name, existing: existing.sorted())
    }

    /// Why a file cannot be opened. The library looks for it elsewhere, too, and tells of that place.
    private static func obstacle(to file: String) -> Errno? {
        let descriptor = Glibc.open(file, O_RDWR | O_CLOEXEC)
        guard descriptor < 0 else {
            close(descriptor)
            return nil
        }
        return .current
    }

    static func name(of device: UnsafeMutablePointer<ibv_device>) -> String {
        ibv_get_device_name(device).map { String(cString: $0) } ?? ""
    }

    /// The name of its file in /dev/infiniband, which a device that comes back need not have again: `uverbs0`.
    static func verbsFile(of device: UnsafeMutablePointer<ibv_device>) -> String {
        withUnsafeBytes(of: device.pointee.dev_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    /// Whether the kernel lists the device.
    static func isPresent(_ name: String) -> Bool {
        access("/sys/class/infiniband/\(name)", F_OK) == 0
    }

    /// Whether the kernel still offers the file by which a device is used.
    static func isPresent(verbsFile: String) -> Bool {
        access("/sys/class/infiniband_verbs/\(verbsFile)", F_OK) == 0
    }

    private static func transportName(_ transport: ibv_transport_type) -> String {
        switch transport {
        case IBV_TRANSPORT_IWARP: "iWARP"
        case IBV_TRANSPORT_USNIC, IBV_TRANSPORT_USNIC_UDP: "usNIC"
        default: "a transport of its own"
        }
    }
}

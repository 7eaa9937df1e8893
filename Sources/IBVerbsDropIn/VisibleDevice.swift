import CIBVerbsObjects
import CVRDMAABI
import Glibc
import Provider
import Synchronization
import Verbs

/// The one device that this process sees: that of the guest behind the guest driver's socket.
///
/// Its structure is made once and lives as long as the process, as applications keep pointers to it after
/// ibv_free_device_list(3).
enum VisibleDevice {
    static let name = "vrdma0"
    static let sysfsDirectory = "/sys/class/infiniband/vrdma0"

    /// The device, when a guest driver answers at the socket; else nil.
    static func find() -> UnsafeMutablePointer<drop_in_device>? {
        let socketPath = ProviderContext.defaultSocketPath()
        do {
            let welcome = try ProviderContext.probe(socketPath: socketPath)
            return current.withLock { $0.update(socketPath, welcome) }
        } catch {
            warn(socketPath, error)
            return nil
        }
    }

    /// What sysfs says of a device of the kernel's in the file of this name; nil when there is no such file.
    static func attribute(_ file: String) -> String? {
        guard let device = current.withLock({ $0.device }) else { return nil }
        switch file {
        case "board_id": return readText(&device.pointee.guest_name, capacity: guestNameCapacity)
        case "hca_type": return "vRDMA"
        case "node_type": return "1: CA"
        case "node_guid", "sys_image_guid": return guidText(UInt64(bigEndian: device.pointee.node_guid))
        default: return nil
        }
    }

    private struct Slot: ~Copyable, @unchecked Sendable {
        var device: UnsafeMutablePointer<drop_in_device>?

        mutating func update(
            _ socketPath: String, _ welcome: vrdma_welcome
        ) -> UnsafeMutablePointer<drop_in_device>? {
            let device = device ?? allocate()
            guard let device else { return nil }
            self.device = device
            var welcome = welcome
            let address = withUnsafeBytes(of: &welcome.address) {
                GID(
                    bytes: (
                        $0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
                    ))
            }
            device.pointee.node_guid = address.interfaceIdentifier.bigEndian
            write(socketPath, into: &device.pointee.socket_path, capacity: Int(DROP_IN_SOCKET_PATH_BYTES))
            write(
                readText(&welcome.guest_name, capacity: Int(VRDMA_NAME_BYTES)), into: &device.pointee.guest_name,
                capacity: guestNameCapacity)
            return device
        }

        private func allocate() -> UnsafeMutablePointer<drop_in_device>? {
            guard let memory = calloc(1, MemoryLayout<drop_in_device>.size) else { return nil }
            let made = memory.bindMemory(to: drop_in_device.self, capacity: 1)
            made.pointee.device.node_type = IBV_NODE_CA
            made.pointee.device.transport_type = IBV_TRANSPORT_IB
            let nameCapacity = Int(IBV_SYSFS_NAME_MAX)
            let pathCapacity = Int(IBV_SYSFS_PATH_MAX)
            write(VisibleDevice.name, into: &made.pointee.device.name, capacity: nameCapacity)
            write("uverbs0", into: &made.pointee.device.dev_name, capacity: nameCapacity)
            write(
                "/sys/class/infiniband_verbs/uverbs0", into: &made.pointee.device.dev_path, capacity: pathCapacity)
            write(VisibleDevice.sysfsDirectory, into: &made.pointee.device.ibdev_path, capacity: pathCapacity)
            return made
        }
    }

    private static let guestNameCapacity = 64
    private static let current = Mutex(Slot(device: nil))

    /// Tells why there is no device, when the user has asked for one.
    private static func warn(_ socketPath: String, _ error: Errno) {
        guard getenv("VRDMA_GUEST_SOCKET") != nil else { return }
        let text = "libibverbs (vRDMA): no device: guest driver at \(socketPath): \(error)\n"
        _ = text.utf8.withContiguousStorageIfAvailable { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// Four groups of four hexadecimal digits, as sysfs writes a GUID.
    private static func guidText(_ guid: UInt64) -> String {
        (0..<4).map { group in
            let digits = String(guid >> (48 - 16 * UInt64(group)) & 0xffff, radix: 16)
            return String(repeating: "0", count: 4 - digits.count) + digits
        }.joined(separator: ":")
    }
}

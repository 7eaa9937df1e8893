import CRDMACore
import Endpoint
import Glibc
import LinuxIO
import Verbs

/// An open device, with the few objects of it that are the adapter's own.
///
/// Whoever has it calls `close` once, when all other objects of the device are gone.
final class VerbsDevice: @unchecked Sendable {
    let context: UnsafeMutablePointer<ibv_context>
    /// All completion queues' events come here.
    let channel: UnsafeMutablePointer<ibv_comp_channel>
    let name: String
    let port: UInt8
    /// The name of its file in /dev/infiniband.
    let verbsFile: String
    /// The kernel's last event about any device before this one was opened (`DeviceEvent.sequence`).
    let openedAfterEvent: UInt64
    let attributes: HostDeviceAttributes
    /// Rows of the GID tables of all ports.
    private let gidRowCount: Int
    private let forbidden: ForbiddenMemory

    /// Opens the device and finds out what it offers.
    ///
    /// - Parameter elements: scatter/gather elements that requests will have at most.
    init(name: String, port: Int, elements: Int) throws(VerbsAdapterError) {
        let openedAfterEvent = DevicePresence.lastSequence
        let context = try DeviceDiscovery.open(name)
        do throws(VerbsAdapterError) {
            func refused(_ what: String, _ error: Errno) -> VerbsAdapterError {
                .refused(device: name, what: what, error)
            }
            var device = ibv_device_attr()
            let result = ibv_query_device(context, &device)
            guard result == 0 else { throw refused("to be queried", .ofDevice(result)) }
            guard port >= 1, port <= Int(device.phys_port_cnt), let portNumber = UInt8(exactly: port) else {
                throw .noSuchPort(device: name, port: port, portCount: Int(device.phys_port_cnt))
            }
            var portAttributes = ibv_port_attr()
            let portResult = ___ibv_query_port(context, portNumber, &portAttributes)
            guard portResult == 0 else { throw refused("a query of port \(port)", .ofDevice(portResult)) }

            let elementCount = max(1, min(elements, Int(device.max_sge)))
            let forbidden: ForbiddenMemory
            var attributes = HostDeviceAttributes(name: name, device)
            attributes.scatterGatherElements = UInt32(clamping: elementCount)
            do throws(Errno) {
                try Self.makeNonBlocking(context.pointee.async_fd)
                forbidden = try ForbiddenMemory(context)
            } catch {
                throw refused("a registration of memory", error)
            }
            do throws(Errno) {
                attributes.inlineBytes = try InlineProbe.largestInlineBytes(context, elements: elementCount)
            } catch {
                forbidden.release()
                throw refused("a queue pair", error)
            }
            guard let channel = ibv_create_comp_channel(context) else {
                let error = Errno.ofDevice
                forbidden.release()
                throw refused("a completion channel", error)
            }
            do throws(Errno) {
                try Self.makeNonBlocking(channel.pointee.fd)
            } catch {
                ibv_destroy_comp_channel(channel)
                forbidden.release()
                throw .system("fcntl", error)
            }
            self.context = context
            self.openedAfterEvent = openedAfterEvent
            self.channel = channel
            self.name = name
            self.port = portNumber
            self.attributes = attributes
            self.forbidden = forbidden
            gidRowCount = Int(clamping: portAttributes.gid_tbl_len) &* Int(device.phys_port_cnt)
            verbsFile = context.pointee.device.map { DeviceDiscovery.verbsFile(of: $0) } ?? ""
        } catch {
            ibv_close_device(context)
            throw error
        }
    }

    var forbiddenLocalKey: UInt32 { forbidden.localKey }
    /// The protection domain of the adapter's own objects.
    var privateDomain: UnsafeMutablePointer<ibv_pd> { forbidden.domain }

    /// Closes the device; what is left of its objects goes with it.
    func close() {
        forbidden.release()
        ibv_destroy_comp_channel(channel)
        ibv_close_device(context)
    }

    /// Reads the port and its addresses.
    func queryPort() throws(Errno) -> (HostPortAttributes, GIDTable) {
        var port = ibv_port_attr()
        let result = ___ibv_query_port(context, self.port, &port)
        guard result == 0 else { throw .ofDevice(result) }
        let isEthernet = port.link_layer == UInt8(IBV_LINK_LAYER_ETHERNET)
        let rows = try GIDTable.read(context, rowCount: gidRowCount)
        let table = GIDTable(rows, port: self.port, isEthernet: isEthernet)
        return (HostPortAttributes(port, addresses: table.entries.map(\.address)), table)
    }

    private static func makeNonBlocking(_ descriptor: Int32) throws(Errno) {
        let flags = try check { fcntl(descriptor, F_GETFL) }
        try check { fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) }
    }
}

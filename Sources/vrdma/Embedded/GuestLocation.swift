import GuestDriver
import LinuxIO
import Service
import Verbs

/// Finds the guest driver that a command shall use, and starts one if there is none.
enum GuestLocation {
    private static let defaultGuest = "default"
    private static let defaultAddress = "127.0.0.1"

    /// A guest driver's socket, with the lease that keeps it if it is this user's own.
    struct Found {
        var socketPath: String
        var lease: FileDescriptor?
    }

    /// - Parameters:
    ///   - guest: the value of `--guest`.
    ///   - address: the value of `--address`.
    ///   - processIdentifier: who shall hold the lease; nil means this process.
    static func find(
        guest: String?, address: String?, processIdentifier: Int32? = nil
    ) throws(ToolError) -> Found {
        let name = guest ?? defaultGuest
        guard GuestName.isValid(name) else {
            throw ToolError("'\(name)' cannot name a guest; permitted: \(GuestName.permitted)", status: 2)
        }
        var wanted: GID?
        if let address {
            guard let parsed = GuestAddress.parse(address) else {
                throw ToolError(
                    "'\(address)' cannot be a guest's address; permitted: \(GuestAddress.permitted)", status: 2)
            }
            wanted = parsed
        }
        // A program inside of `vrdma run` stays where it is.
        if guest == nil, address == nil, let path = ProcessEnvironment.value("VRDMA_GUEST_SOCKET") {
            return Found(socketPath: path, lease: nil)
        }
        let directory = try RuntimeDirectory.current()
        if !directory.isExplicit, let path = try systemSocket(name, wanted) {
            return Found(socketPath: path, lease: nil)
        }
        let request = LeaseRequest(
            guest: name, address: wanted,
            newAddress: wanted ?? (name == defaultGuest ? GuestAddress.parse(defaultAddress) : nil),
            processIdentifier: processIdentifier)
        let lease = try Lease.take(request, in: directory)
        return Found(socketPath: lease.socketPath, lease: lease.connection)
    }

    /// The socket of a guest of the system's endpoint, if it has that guest and this user may use it.
    private static func systemSocket(_ name: String, _ wanted: GID?) throws(ToolError) -> String? {
        let path = GuestConfiguration.applicationSocketPath(of: name)
        switch GuestDriverProbe.ask(socketPath: path) {
        case .unreachable: return nil
        case .refused(_, let message):
            throw ToolError("the guest driver at \(path) has no device: \(message)")
        case .device(let identity):
            if let wanted, wanted != identity.address {
                throw ToolError(
                    "guest '\(name)' of the system's endpoint has the address \(identity.address), not \(wanted); "
                        + "use another name, or leave --address away")
            }
            return path
        }
    }
}

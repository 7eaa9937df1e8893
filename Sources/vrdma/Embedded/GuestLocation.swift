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
            try checkInherited(path)
            return Found(socketPath: path, lease: nil)
        }
        let directory = try RuntimeDirectory.current()
        if !directory.isExplicit, let path = try systemSocket(name, wanted, isAskedFor: guest != nil || address != nil)
        {
            return Found(socketPath: path, lease: nil)
        }
        if name != defaultGuest, let wanted, wanted == GuestAddress.parse(defaultAddress) {
            throw ToolError(
                "\(defaultAddress) is the address of guest '\(defaultGuest)'; "
                    + "give guest '\(name)' another one, such as 10.0.0.1",
                status: 2)
        }
        let request = LeaseRequest(
            guest: name, address: wanted,
            newAddress: wanted ?? (name == defaultGuest ? GuestAddress.parse(defaultAddress) : nil),
            processIdentifier: processIdentifier)
        let lease = try Lease.take(request, in: directory)
        return Found(socketPath: lease.socketPath, lease: lease.connection)
    }

    /// A program that cannot reach its guest driver would only see a list of devices that is empty.
    private static func checkInherited(_ path: String) throws(ToolError) {
        let (problem, remedy): (String, String)
        switch GuestDriverProbe.ask(socketPath: path) {
        case .device: return
        case .refused(_, let message): (problem, remedy) = ("its guest driver has no device: \(message)", "")
        case .unreachable(let error) where error == .accessDenied || error == .notPermitted:
            (problem, remedy) = ("permission denied", "\(SocketRemedy.joinGroup(of: path)), or ")
        case .unreachable(.connectionRefused):
            (problem, remedy) = ("nobody listens there", "start its guest driver, or ")
        case .unreachable(let error): (problem, remedy) = ("it cannot be connected to: \(error)", "")
        }
        throw ToolError("VRDMA_GUEST_SOCKET is \(path), but \(problem); \(remedy)unset VRDMA_GUEST_SOCKET")
    }

    /// The socket of a guest of the system's endpoint, if it has that guest.
    ///
    /// - Parameter isAskedFor: the user named the guest or its address, and so must not silently get another one.
    private static func systemSocket(
        _ name: String, _ wanted: GID?, isAskedFor: Bool
    ) throws(ToolError) -> String? {
        let path = GuestConfiguration.applicationSocketPath(of: name)
        switch GuestDriverProbe.ask(socketPath: path) {
        case .unreachable(let error):
            if error == .noSuchFile || !isAskedFor { return nil }
            throw unreachable(name, path, error)
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

    private static func unreachable(_ name: String, _ path: String, _ error: Errno) -> ToolError {
        switch error {
        case .accessDenied, .notPermitted:
            ToolError("permission denied on \(path); \(SocketRemedy.joinGroup(of: path))")
        case .connectionRefused:
            ToolError(
                "the driver of the system's guest '\(name)' is not running: nobody listens at \(path); "
                    + "start it (\(SocketRemedy.startDriver(of: name)))")
        default: ToolError("\(path): \(error)")
        }
    }
}

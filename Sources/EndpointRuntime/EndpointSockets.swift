import Glibc
import LinuxIO
import Service
import Verbs

/// The listening sockets of an endpoint.
struct EndpointSockets {
    let guestDrivers: FileDescriptor
    let admin: FileDescriptor
    private let madePaths: [String]

    /// Makes those that were not handed over.
    init(
        _ configuration: EndpointConfiguration, listener: FileDescriptor?, adminListener: FileDescriptor?
    ) throws(EndpointError) {
        var madePaths: [String] = []
        if let listener {
            guestDrivers = listener
        } else {
            let path = configuration.socketPath
            guestDrivers = try Self.make(path, configuration.socketAccess) { () throws(Errno) in
                try PacketSocket.listen(path: path)
            }
            madePaths.append(path)
        }
        if let adminListener {
            admin = adminListener
            self.madePaths = madePaths
            return
        }
        var access = configuration.socketAccess
        access.mode = configuration.adminSocketMode
        let path = configuration.adminSocketPath
        do throws(EndpointError) {
            admin = try Self.make(path, access) { () throws(Errno) in try StreamSocket.listen(path: path) }
        } catch {
            Self.remove(madePaths)
            throw error
        }
        self.madePaths = madePaths + [path]
    }

    /// Removes the sockets that were made here from the file system.
    func removeFiles() {
        Self.remove(madePaths)
    }

    private static func remove(_ paths: [String]) {
        for path in paths { unlink(path) }
    }

    private static func make(
        _ path: String, _ access: SocketAccess, _ listen: () throws(Errno) -> FileDescriptor
    ) throws(EndpointError) -> FileDescriptor {
        let socket: FileDescriptor
        do throws(Errno) {
            socket = try listen()
        } catch {
            throw .cannotListen(path: path, reason: "\(error)\(remedy(error))")
        }
        do throws(SocketAccessError) {
            try access.apply(to: path)
        } catch {
            unlink(path)
            throw .cannotListen(path: path, reason: error.reason)
        }
        return socket
    }

    private static func remedy(_ error: Errno) -> String {
        switch error {
        case .addressInUse: "; another endpoint is running there: stop it, or configure another socket"
        case .noSuchFile: "; its directory does not exist: create it, or configure another socket"
        case .accessDenied, .notPermitted: "; run as a user who may write to its directory"
        default: ""
        }
    }
}

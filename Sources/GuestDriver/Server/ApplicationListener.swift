import Glibc
import LinuxIO
import Service
import Verbs

/// The socket that applications connect to.
final class ApplicationListener {
    /// What came of asking for a connection.
    enum Accepted {
        case connection(FileDescriptor, PacketSocket.Credentials)
        case nothing
        /// There is no room for another descriptor; wait before the next attempt.
        case exhausted(Errno)
    }

    let socket: FileDescriptor
    /// What to remove at the end; nil when the socket is somebody else's.
    private let path: String?

    /// Takes a socket that somebody else made and removes.
    init(taking socket: FileDescriptor) {
        self.socket = socket
        path = nil
    }

    /// Makes the socket of a configuration.
    init(_ configuration: GuestConfiguration) throws(GuestDriverError) {
        let path = configuration.applicationSocketPath
        do throws(Errno) {
            socket = try PacketSocket.listen(path: path)
        } catch {
            throw .cannotListen(path: path, reason: Self.reason(error))
        }
        do throws(SocketAccessError) {
            try configuration.socketAccess.apply(to: path)
        } catch {
            unlink(path)
            throw .cannotListen(path: path, reason: error.reason)
        }
        self.path = path
    }

    /// Removes the socket that this object made.
    func close() {
        if let path { unlink(path) }
    }

    /// The next connection.
    func accept() -> Accepted {
        while true {
            do throws(Errno) {
                guard let connection = try PacketSocket.accept(socket) else { return .nothing }
                return .connection(connection, try PacketSocket.credentials(connection))
            } catch {
                // Of a connection that ended before it was accepted there is nothing to say.
                if error == .connectionAborted { continue }
                return .exhausted(error)
            }
        }
    }

    private static func reason(_ error: Errno) -> String {
        switch error {
        case .addressInUse: "another guest driver listens there; stop it, or change 'socket'"
        case .noSuchFile: "its directory does not exist; create it, or change 'socket'"
        case .accessDenied, .notPermitted: "\(error); run as a user who may write to its directory"
        default: error.description
        }
    }
}

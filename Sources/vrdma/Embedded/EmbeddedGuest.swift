import GuestDriver
import LinuxIO
import Service
import Verbs

/// A guest of this user's own endpoint, with its guest driver on a thread of its own.
final class EmbeddedGuest {
    enum State {
        case starting
        case ready
        case stopping
    }

    let name: String
    let address: GID
    let socketPath: String
    var state = State.starting
    /// Who holds it: connections and processes, by token.
    var holders: Set<UInt64> = []
    /// When it is stopped if nobody takes it; nil while somebody holds it.
    var idleDeadlineNanoseconds: UInt64?
    private let server: GuestDriverServer
    private let thread: BackgroundThread

    /// Starts the guest driver.
    ///
    /// - Parameter onEvent: called on the guest driver's thread: that it is ready, or with nil or a reason that it ended.
    init(
        name: String, address: GID, directory: RuntimeDirectory, log: Log,
        onEvent: @escaping @Sendable (EmbeddedEvent) -> Void
    ) throws(ToolError) {
        var configuration = GuestConfiguration(name: name, address: address)
        configuration.endpointSocketPath = directory.endpointSocketPath
        configuration.applicationSocketPath = directory.guestSocketPath(name)
        configuration.socketAccess.mode = 0o600
        var options = GuestDriverOptions()
        options.startTimeoutNanoseconds = 5_000_000_000
        self.name = name
        self.address = address
        socketPath = configuration.applicationSocketPath
        do throws(GuestDriverError) {
            server = try GuestDriverServer(configuration: configuration, log: log, options: options) { phase in
                if case .ready = phase { onEvent(.guestReady(name)) }
            }
        } catch {
            throw ToolError(error.description)
        }
        do throws(Errno) {
            thread = try BackgroundThread(name: "guest-driver") { [server] in
                do throws(GuestDriverError) {
                    try server.run()
                    onEvent(.guestEnded(name, reason: nil))
                } catch {
                    onEvent(.guestEnded(name, reason: error.description))
                }
            }
        } catch {
            throw ToolError("no thread for guest '\(name)': \(error)")
        }
    }

    func stop() {
        state = .stopping
        server.stop()
    }

    func join() {
        thread.join()
    }
}

/// What the threads of the servers tell the main one.
enum EmbeddedEvent: Sendable {
    case endpointReady
    case endpointEnded(reason: String?)
    case guestReady(String)
    case guestEnded(String, reason: String?)
}

import EndpointRuntime
import LinuxIO
import Service
import Verbs

/// This user's own endpoint, on a thread of its own.
struct EmbeddedEndpoint {
    private let server: EndpointServer
    private let thread: BackgroundThread

    init(
        _ directory: RuntimeDirectory, log: Log, onEvent: @escaping @Sendable (EmbeddedEvent) -> Void
    ) throws(ToolError) {
        var configuration = EndpointConfiguration()
        configuration.socketPath = directory.endpointSocketPath
        configuration.adminSocketPath = directory.adminSocketPath
        configuration.socketAccess.mode = 0o600
        configuration.adminSocketMode = 0o600
        do throws(EndpointError) {
            server = try EndpointServer(configuration: configuration, log: log) { onEvent(.endpointReady) }
        } catch {
            throw ToolError(error.description)
        }
        do throws(Errno) {
            thread = try BackgroundThread(name: "endpoint") { [server] in
                do throws(EndpointError) {
                    try server.run()
                    onEvent(.endpointEnded(reason: nil))
                } catch {
                    onEvent(.endpointEnded(reason: error.description))
                }
            }
        } catch {
            throw ToolError("no thread for the endpoint: \(error)")
        }
    }

    /// Stops it and waits for its end.
    func stop() {
        server.stop()
        thread.join()
    }
}

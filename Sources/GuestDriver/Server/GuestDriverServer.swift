import LinuxIO
import Service
import Verbs

/// The virtual RDMA driver of one guest: applications on one side, the endpoint on the other.
///
/// `run()` does all work on the caller's thread; the other methods may be called from any thread.
package final class GuestDriverServer: Sendable {
    private let configuration: GuestConfiguration
    private let options: GuestDriverOptions
    private let log: Log
    private let listener: FileDescriptor?
    private let control: GuestDriverControl
    private let onChange: @Sendable (GuestDriverPhase) -> Void

    /// Creates a guest driver that does nothing yet.
    ///
    /// - Parameters:
    ///   - listener: a listening socket for applications that somebody else made; nil makes the configured one, when
    ///     the endpoint is connected for the first time, and removes it at the end.
    ///   - onChange: called on the thread of `run()`.
    package init(
        configuration: GuestConfiguration, log: Log, listener: FileDescriptor? = nil,
        options: GuestDriverOptions = GuestDriverOptions(),
        onChange: @escaping @Sendable (GuestDriverPhase) -> Void = { _ in }
    ) throws(GuestDriverError) {
        self.configuration = configuration
        self.options = options
        self.log = log
        self.listener = listener
        self.onChange = onChange
        do throws(Errno) {
            control = try GuestDriverControl()
        } catch {
            throw .system("eventfd", error)
        }
    }

    /// Serves until `stop()`.
    ///
    /// - Throws: why it could not start. An endpoint that is lost later is waited for.
    package func run() throws(GuestDriverError) {
        let loop = try GuestDriverLoop(
            configuration: configuration, options: options, log: log, listener: listener, control: control,
            onChange: onChange)
        try loop.run()
    }

    /// Makes `run()` finish the commands under way, within a bounded time, and return.
    package func stop() {
        control.requestStop()
    }

    /// Takes over what a running guest driver can take over of a new configuration.
    package func reload(_ configuration: GuestConfiguration) {
        control.requestReload(configuration)
    }

    /// How often the loop has turned; a supervisor sees by it that the loop does not hang.
    package var turnCount: UInt64 { control.turnCount }

    /// Makes the loop turn once, also when there is nothing to do.
    package func touch() {
        control.touch()
    }
}

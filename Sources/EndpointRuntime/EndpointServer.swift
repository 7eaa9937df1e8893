import LinuxIO
import Service
import Verbs

/// The endpoint of a host: guest drivers on one side, the virtual RDMA device behind them.
///
/// `run()` does all work of the data path on the caller's thread; the other methods may be called from any thread.
package final class EndpointServer: Sendable {
    private let configuration: EndpointConfiguration
    private let log: Log
    private let listener: FileDescriptor?
    private let adminListener: FileDescriptor?
    private let control: EndpointControl
    private let hostAdapter: HostAdapterFactory?
    private let onReady: @Sendable () -> Void

    /// Creates an endpoint that does nothing yet.
    ///
    /// - Parameters:
    ///   - listener: a listening socket for guest drivers that somebody else made; nil makes the configured one and
    ///     removes it at the end.
    ///   - adminListener: likewise for `vrdma status`.
    ///   - onReady: called on the thread of `run()` when guest drivers can connect.
    ///   - hostAdapter: makes the way to peers elsewhere, if the configuration asks for one.
    package init(
        configuration: EndpointConfiguration, log: Log, listener: FileDescriptor? = nil,
        adminListener: FileDescriptor? = nil,
        onReady: @escaping @Sendable () -> Void = {}, hostAdapter: HostAdapterFactory? = nil
    ) throws(EndpointError) {
        self.configuration = configuration
        self.log = log
        self.listener = listener
        self.adminListener = adminListener
        self.hostAdapter = hostAdapter
        self.onReady = onReady
        do throws(Errno) {
            control = try EndpointControl()
        } catch {
            throw .system("eventfd", error)
        }
    }

    /// Serves until `stop()`.
    package func run() throws(EndpointError) {
        let host = try configuration.makeHostAdapter(hostAdapter, log: log)
        let sockets = try EndpointSockets(configuration, listener: listener, adminListener: adminListener)
        defer { sockets.removeFiles() }
        let admin: AdminService
        let adminThread: BackgroundThread
        let releaser: MemoryReleaser
        let releaserThread: BackgroundThread
        do throws(Errno) {
            releaser = try MemoryReleaser()
            releaserThread = try releaser.start()
            admin = try AdminService(listener: sockets.admin, control: control, log: log)
            adminThread = try admin.start()
        } catch {
            throw .system("the endpoint's threads", error)
        }
        defer {
            releaser.stop()
            releaserThread.join()
            admin.stop()
            adminThread.join()
        }
        let loop = try EndpointLoop(
            configuration: configuration, log: log, listener: sockets.guestDrivers, control: control,
            releaser: releaser, hostAdapter: host)
        onReady()
        try loop.run()
    }

    /// Makes `run()` finish the requests under way, within a bounded time, and return.
    package func stop() {
        control.requestStop()
    }

    /// Takes over what a running endpoint can take over of a new configuration.
    package func reload(_ configuration: EndpointConfiguration) {
        control.requestReload(configuration)
    }

    /// How often the loop has turned; a supervisor sees by it that the loop does not hang.
    package var turnCount: UInt64 { control.turnCount }

    /// Makes the loop turn once, also when there is nothing to do.
    package func touch() {
        control.touch()
    }
}

import Glibc
import LinuxIO
import Synchronization
import Verbs

/// Runs a server on a thread of its own, and meanwhile waits for signals and answers the service manager's watchdog.
package struct DaemonSupervisor: Sendable {
    private final class Outcome: Sendable {
        let isOver = Atomic(false)
        let failure = Mutex<String?>(nil)
    }

    private enum Token {
        static let signals: UInt64 = 0
        static let end: UInt64 = 1
    }

    private let signals: SignalDescriptor
    private let notifier: ServiceNotifier

    /// Creates a supervisor.
    ///
    /// - Parameter signals: made before any thread was started.
    package init(signals: SignalDescriptor, notifier: ServiceNotifier) {
        self.signals = signals
        self.notifier = notifier
    }

    /// Runs the server to its end.
    ///
    /// - Parameters:
    ///   - name: of the server's thread, at most 15 bytes.
    ///   - reload: called on SIGHUP, on this thread.
    /// - Returns: why the server failed; nil when it was stopped.
    package func run(
        _ server: some SupervisedServer, name: String, reload: () -> Void
    ) throws(Errno) -> String? {
        let end = try EventDescriptor.create()
        let outcome = Outcome()
        let poller = try Poller()
        try poller.add(signals.rawDescriptor, token: Token.signals)
        try poller.add(end.rawValue, token: Token.end)
        let thread = try BackgroundThread(name: name) {
            Self.run(server, outcome)
            EventDescriptor.signal(end.rawValue)
        }
        defer { thread.join() }
        var watchdog = Watchdog(notifier)
        var ready: [Poller.Ready] = []
        while !outcome.isOver.load(ordering: .acquiring) {
            ready.removeAll(keepingCapacity: true)
            try poller.wait(timeoutNanoseconds: watchdog.intervalNanoseconds, into: &ready)
            if ready.contains(where: { $0.token == Token.signals }) { try answerSignals(server, reload) }
            watchdog.look(at: server)
        }
        return outcome.failure.withLock { $0 }
    }

    private func answerSignals(_ server: some SupervisedServer, _ reload: () -> Void) throws(Errno) {
        while let request = try signals.next() {
            switch request {
            case .stop:
                notifier.stopping(status: "Stopping")
                server.stop()
            case .reload:
                notifier.reloading()
                reload()
                notifier.ready()
            }
        }
    }

    private static func run<Server: SupervisedServer>(_ server: Server, _ outcome: Outcome) {
        do throws(Server.Failure) {
            try server.run()
        } catch {
            outcome.failure.withLock { $0 = error.description }
        }
        outcome.isOver.store(true, ordering: .releasing)
    }
}

/// Reports to the service manager as long as the server's loop turns.
private struct Watchdog {
    private let notifier: ServiceNotifier
    private var lastTurnCount: UInt64?
    private var nextNanoseconds: UInt64 = 0
    /// Half of what the manager allows; nil when it does not watch.
    let intervalNanoseconds: UInt64?

    init(_ notifier: ServiceNotifier) {
        self.notifier = notifier
        intervalNanoseconds = notifier.watchdogIntervalNanoseconds.map { max($0 / 2, 1_000_000) }
    }

    mutating func look(at server: some SupervisedServer) {
        guard let intervalNanoseconds else { return }
        let now = MonotonicClock.nowNanoseconds
        guard now >= nextNanoseconds else { return }
        nextNanoseconds = now &+ intervalNanoseconds / 2
        let turnCount = server.turnCount
        if turnCount != lastTurnCount { notifier.watchdog() }
        lastTurnCount = turnCount
        // An idle loop turns once, so that the next look sees whether it still can.
        server.touch()
    }
}

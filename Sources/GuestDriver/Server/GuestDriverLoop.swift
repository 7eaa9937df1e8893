import CVRDMAABI
import LinuxIO
import Service
import Verbs

/// The work of a guest driver, on one thread.
///
/// Each turn takes the endpoint's messages, reads at most one command of each application, moves commands into the
/// channel, and waits: first by polling for a short time, then asleep. The methods stand beside what they serve, in the
/// files of this type's extensions.
final class GuestDriverLoop {
    /// Who a descriptor of the poller belongs to; applications have their identifiers.
    enum Token {
        static let control: UInt64 = 0
        static let listener: UInt64 = 1
        static let endpoint: UInt64 = 2
        static let firstApplication: UInt64 = 16
    }

    /// The way to the endpoint.
    enum EndpointState {
        case absent(retryNanoseconds: UInt64)
        case greeting(EndpointLink, deadlineNanoseconds: UInt64)
        case connected(EndpointLink, DeviceIdentity)
    }

    var configuration: GuestConfiguration
    let options: GuestDriverOptions
    let log: Log
    let control: GuestDriverControl
    private let onChange: @Sendable (GuestDriverPhase) -> Void
    let poller: Poller

    var endpoint = EndpointState.absent(retryNanoseconds: 0)
    var backoff = Backoff()
    /// Until when an endpoint must be found; nil when one was, or there is no limit.
    var startDeadlineNanoseconds: UInt64?
    /// Until when a refusal that may pass is waited for; nil when there was none.
    var refusalDeadlineNanoseconds: UInt64?
    var wasEverConnected = false
    private var phase: GuestDriverPhase?

    var listener: ApplicationListener?
    let givenListener: FileDescriptor?
    /// Until when no connection is accepted, because descriptors ran out.
    var acceptPauseNanoseconds: UInt64?

    var router: CommandRouter
    var applications: [ApplicationIdentifier: ApplicationConnection] = [:]
    /// The applications with something to read, in the order in which they get their turn.
    var readable: [ApplicationConnection] = []
    /// The applications with a deadline of their own, and the earliest of these.
    var transient: Set<ApplicationIdentifier> = []
    var nextTransientNanoseconds = UInt64.max
    var nextApplication = Token.firstApplication

    /// Set when the driver is to stop.
    var drainDeadlineNanoseconds: UInt64?
    var nowNanoseconds: UInt64
    private var lastWorkNanoseconds: UInt64 = 0

    init(
        configuration: GuestConfiguration, options: GuestDriverOptions, log: Log, listener: FileDescriptor?,
        control: GuestDriverControl, onChange: @escaping @Sendable (GuestDriverPhase) -> Void
    ) throws(GuestDriverError) {
        self.configuration = configuration
        self.options = options
        self.log = log
        self.control = control
        self.onChange = onChange
        givenListener = listener
        nowNanoseconds = MonotonicClock.nowNanoseconds
        startDeadlineNanoseconds = options.startTimeoutNanoseconds.map { [nowNanoseconds] in nowNanoseconds &+ $0 }
        var limits = CommandRouter.Limits()
        limits.commandTimeoutNanoseconds = UInt64(clamping: configuration.commandTimeoutNanoseconds)
        limits.registrationTimeoutNanoseconds = UInt64(clamping: configuration.registrationTimeoutNanoseconds)
        router = CommandRouter(limits: limits)
        do throws(Errno) {
            poller = try Poller()
            try poller.add(control.wakeUp.rawValue, token: Token.control)
        } catch {
            throw .system("epoll", error)
        }
    }

    func run() throws(GuestDriverError) {
        defer { finish() }
        while true {
            control.countTurn()
            nowNanoseconds = MonotonicClock.nowNanoseconds
            takeRequests()
            try runTimers()
            var isBusy = takeCompletions()
            isBusy = readApplications() || isBusy
            isBusy = sendCommands() || isBusy
            if isDrained { return }
            if isBusy { lastWorkNanoseconds = nowNanoseconds }
            try wait(isBusy: isBusy)
        }
    }

    /// Stop and reload.
    private func takeRequests() {
        if let new = control.takeConfiguration() {
            takeOver(new)
        }
        if control.isStopRequested, drainDeadlineNanoseconds == nil {
            drainDeadlineNanoseconds = nowNanoseconds &+ options.drainNanoseconds
            report(.stopping)
            stopAccepting()
        }
    }

    private func takeOver(_ new: GuestConfiguration) {
        for change in new.changes(from: configuration) where !change.isReloadable {
            log.warning(
                "a changed key takes effect with the next start", [.init("key", change.key)], subject: change.key)
        }
        configuration.maximumApplications = new.maximumApplications
        configuration.log.level = new.log.level
        log.level = new.log.level
        log.notice("the configuration was read again", limit: nil)
    }

    private var isDrained: Bool {
        guard let drainDeadlineNanoseconds else { return false }
        return nowNanoseconds >= drainDeadlineNanoseconds || !router.isAnyoneWaiting
    }

    private func finish() {
        loseContexts()
        listener?.close()
        listener = nil
        applications.removeAll()
        readable.removeAll()
        endpoint = .absent(retryNanoseconds: UInt64.max)
    }

    /// Polls while there was work a moment ago, and sleeps otherwise.
    private func wait(isBusy: Bool) throws(GuestDriverError) {
        var ready: [Poller.Ready] = []
        if isBusy || nowNanoseconds &- lastWorkNanoseconds < options.pollNanoseconds {
            try poll(timeoutNanoseconds: 0, into: &ready)
            if ready.isEmpty, !isBusy { Scheduling.yield() }
        } else if endpointLink?.prepareToSleep() ?? true {
            try poll(timeoutNanoseconds: sleepNanoseconds(), into: &ready)
            endpointLink?.stayAwake()
        }
        // The wait may have been long: deadlines that begin with an event count from now.
        nowNanoseconds = MonotonicClock.nowNanoseconds
        for event in ready { try handle(event) }
    }

    private func poll(timeoutNanoseconds: UInt64?, into ready: inout [Poller.Ready]) throws(GuestDriverError) {
        do throws(Errno) {
            try poller.wait(timeoutNanoseconds: timeoutNanoseconds, into: &ready)
        } catch {
            throw .system("epoll_wait", error)
        }
    }

    /// Tells the supervisor what has changed.
    func report(_ new: GuestDriverPhase) {
        guard phase != new else { return }
        phase = new
        onChange(new)
    }

    private func handle(_ event: Poller.Ready) throws(GuestDriverError) {
        switch event.token {
        case Token.control: EventDescriptor.clear(control.wakeUp.rawValue)
        case Token.listener: acceptApplications()
        case Token.endpoint: try readEndpointSocket()
        default:
            guard let application = applications[ApplicationIdentifier(rawValue: event.token)] else { return }
            if event.isHungUp {
                disconnect(application)
            } else {
                application.isReadable = true
                enqueue(application)
            }
        }
    }
}

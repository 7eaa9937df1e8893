import CVRDMAABI
import Endpoint
import LinuxIO
import Service
import SharedMemory
import Verbs

/// The thread of an endpoint: turns the engine, serves commands and sockets, sleeps when there is nothing to do.
final class EndpointLoop {
    let log: Log
    let control: EndpointControl
    let device: Device
    let poller: Poller
    let listener: FileDescriptor
    var configuration: EndpointConfiguration
    var authorization: PeerAuthorization
    var connections: [UInt32: GuestConnection] = [:]
    /// Guests whose command channel is looked at in every round.
    var hotGuests: [UInt32] = []
    var newcomers: [UInt32: Newcomer] = [:]
    var contextKicks: [UInt32: FileDescriptor] = [:]
    var delivery: OutputDelivery
    let host: HostDescription?
    let hostAdapter: (any HostAdapter)?
    /// The device's port as the log told of it last.
    var notedPort = HostPortAttributes()
    /// What keeps guest drivers that are refused again and again from filling the log.
    var refusals = RefusalLimiter()
    private var idle: IdlePolicy
    private var ready: [Poller.Ready] = []
    private let startNanoseconds = MonotonicClock.nowNanoseconds
    private var nextLookNanoseconds: UInt64 = 0
    private var publishedProcessor: UInt32 = .max
    private var sleeps: UInt64 = 0
    private var isAccepting = true

    /// A connection that has not said hello yet.
    struct Newcomer {
        var socket: FileDescriptor
        var deadlineNanoseconds: UInt64
    }

    /// A look at the descriptors costs a system call, which is shared by so much time of work.
    private static let lookIntervalNanoseconds: UInt64 = 25_000
    private static let roundsOfHotGuest = 4096
    /// The greatest `maximum-guests` that can be configured.
    private static let mostGuests = 65535
    private static let sliceNanoseconds: UInt64 = 100_000
    private static let drainNanoseconds: UInt64 = 1_000_000_000

    init(
        configuration: EndpointConfiguration, log: Log, listener: FileDescriptor, control: EndpointControl,
        releaser: MemoryReleaser, hostAdapter: (any HostAdapter)?
    ) throws(EndpointError) {
        self.configuration = configuration
        self.log = log
        self.listener = listener
        self.control = control
        authorization = PeerAuthorization(configuration)
        var limits = DeviceLimits(configuration)
        // The limit of guests is kept here, since it may change while the device lives.
        limits.guests = Self.mostGuests
        device = Device(limits: limits, host: hostAdapter, usesLocalPath: configuration.host.usesLocalPath)
        self.hostAdapter = hostAdapter
        host = hostAdapter.map { HostDescription($0, port: configuration.host.devicePort) }
        delivery = OutputDelivery(log: log, releaser: releaser, host: host)
        idle = IdlePolicy(idleSpinNanoseconds: UInt64(configuration.engine.idleSpinNanoseconds))
        do throws(Errno) {
            poller = try Poller()
            try poller.add(listener.rawValue, token: EndpointToken.listener.rawValue)
            try poller.add(control.wakeUp.rawValue, token: EndpointToken.control.rawValue)
            if let hostAdapter {
                try poller.add(hostAdapter.eventDescriptor.rawValue, token: EndpointToken.host.rawValue)
            }
        } catch {
            throw .system("epoll", error)
        }
        if let hostAdapter { announce(hostAdapter) }
    }

    /// Runs until a stop is requested and what was under way is done.
    func run() throws(EndpointError) {
        Scheduling.requestShortSlice(nanoseconds: Self.sliceNanoseconds)
        log.info("the endpoint is ready", [.init("socket", configuration.socketPath)], limit: nil)
        while !control.isStopRequested { try turn() }
        log.info("the endpoint is stopping", limit: nil)
        poller.remove(listener.rawValue)
        isAccepting = false
        let end = MonotonicClock.nowNanoseconds &+ Self.drainNanoseconds
        var quietTurns = 0
        while quietTurns < 64, MonotonicClock.nowNanoseconds < end {
            quietTurns = device.poll(now: MonotonicClock.nowNanoseconds) == 0 ? quietTurns + 1 : 0
            deliverOutputs(now: MonotonicClock.nowNanoseconds)
        }
    }

    private func turn() throws(EndpointError) {
        let now = MonotonicClock.nowNanoseconds
        var work = device.poll(now: now)
        let hostEvents = device.serveHostEvents()
        if hostEvents > 0 { noteHostPort() }
        work &+= hostEvents
        work &+= serveChannels()
        deliverOutputs(now: now)
        delivery.retry(now: now) { device.completionSocket(ofQueue: $0) }
        if work > 0 {
            idle.didWork()
            if now >= nextLookNanoseconds { try look(timeoutNanoseconds: 0) }
            return
        }
        switch idle.next(now: now) {
        case .spin:
            Scheduling.pause()
            if now >= nextLookNanoseconds { try look(timeoutNanoseconds: 0) }
        case .yield:
            if now >= nextLookNanoseconds { try look(timeoutNanoseconds: 0) }
            let before = MonotonicClock.nowNanoseconds
            Scheduling.yield()
            let after = MonotonicClock.nowNanoseconds
            idle.didYield(nanoseconds: after &- before, now: after)
        case .sleep:
            try sleep()
        }
    }

    private func sleep() throws(EndpointError) {
        guard device.prepareToSleep(), coolGuests() else {
            idle.didSleep()
            return
        }
        let now = MonotonicClock.nowNanoseconds
        let deadlines = [
            device.nextDeadlineNanoseconds, delivery.deadlineNanoseconds,
            newcomers.values.map(\.deadlineNanoseconds).min(),
        ].compactMap(\.self)
        sleeps &+= 1
        publishedProcessor = .max
        try look(timeoutNanoseconds: deadlines.min().map { $0 > now ? $0 - now : 0 })
        idle.didSleep()
    }

    /// Looks at the descriptors, and waits for them if `timeoutNanoseconds` is not 0.
    private func look(timeoutNanoseconds: UInt64?) throws(EndpointError) {
        ready.removeAll(keepingCapacity: true)
        do throws(Errno) {
            try poller.wait(timeoutNanoseconds: timeoutNanoseconds, into: &ready)
        } catch {
            throw .system("epoll_wait", error)
        }
        let now = MonotonicClock.nowNanoseconds
        nextLookNanoseconds = now &+ Self.lookIntervalNanoseconds
        control.countTurn()
        for event in ready { answer(event) }
        if !newcomers.isEmpty { expireNewcomers(now: now) }
        let processor = Scheduling.currentProcessor
        if processor != publishedProcessor || !ready.isEmpty {
            publishedProcessor = processor
            device.publish(processor: processor)
        }
    }

    private func answer(_ event: Poller.Ready) {
        switch EndpointToken(rawValue: event.token) {
        case .listener: if isAccepting { acceptNewcomers() }
        case .control: answerControl()
        case .newcomer(let identifier): greet(identifier)
        case .guestSocket(let guest): readSocket(ofGuest: guest)
        case .guestKick(let guest): heat(guest)
        case .contextKick(let context): device.wake(context: context)
        case .host: break  // The next turn takes it.
        case nil: break
        }
    }

    private func answerControl() {
        EventDescriptor.clear(control.wakeUp.rawValue)
        if let configuration = control.takeConfiguration() { takeOver(configuration) }
        let questions = control.takeQuestions()
        guard !questions.isEmpty else { return }
        let status = status()
        for question in questions { question(status) }
    }

    private func takeOver(_ new: EndpointConfiguration) {
        for change in new.changes(from: configuration) where !change.isReloadable {
            log.warning(
                "a changed key takes effect with the next start", [.init("key", change.key)], subject: change.key)
        }
        var taken = configuration
        taken.log.level = new.log.level
        taken.limits = new.limits
        taken.totals.guests = new.totals.guests
        taken.guests = new.guests
        taken.admission = new.admission
        configuration = taken
        authorization = PeerAuthorization(taken)
        log.level = taken.log.level
        log.info("the configuration was read again", limit: nil)
    }

    private func serveChannels() -> Int {
        var work = 0
        var position = 0
        while position < hotGuests.count {
            let guest = hotGuests[position]
            let served = serve(guest)
            work &+= served
            // The connection may have ended meanwhile, and its place been taken.
            guard position < hotGuests.count, hotGuests[position] == guest else { continue }
            if served == 0 {
                connections[guest]?.idleRounds += 1
                if let connection = connections[guest], connection.idleRounds > Self.roundsOfHotGuest,
                    connection.prepareToSleep()
                {
                    connections[guest]?.isHot = false
                    hotGuests.swapAt(position, hotGuests.count - 1)
                    hotGuests.removeLast()
                    continue
                }
            } else {
                connections[guest]?.idleRounds = 0
            }
            position += 1
        }
        return work
    }

    /// Asks all guest drivers for kicks. False when one of them gave a command just before.
    private func coolGuests() -> Bool {
        var isQuiet = true
        hotGuests.removeAll { guest in
            guard let connection = connections[guest] else { return true }
            guard connection.prepareToSleep() else {
                isQuiet = false
                return false
            }
            connections[guest]?.isHot = false
            return true
        }
        return isQuiet
    }

    private func status() -> EndpointStatus {
        var guests = device.status().guests
        for index in guests.indices {
            guests[index].driverPid = connections[guests[index].id]?.credentials.processIdentifier
        }
        let elapsed = MonotonicClock.nowNanoseconds &- startNanoseconds
        return EndpointStatus(
            version: VRDMAVersion.text,
            endpoint: EndpointStatus.Endpoint(
                pid: Scheduling.processIdentifier, uptimeSeconds: Double(elapsed) / 1e9,
                adapter: configuration.host.adapter.rawValue, devicePort: host?.port, polls: device.turnCount,
                sleeps: sleeps, guestLimit: configuration.totals.guests),
            host: device.hostStatus, guests: guests)
    }
}

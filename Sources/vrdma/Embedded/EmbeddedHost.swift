import Glibc
import LinuxIO
import Service
import Verbs

/// The background process behind `vrdma run`: an endpoint and the guests that somebody holds a lease of.
///
/// It ends, and removes everything, when the last lease is gone and nobody comes within a short time.
final class EmbeddedHost {
    private enum Token {
        static let listener: UInt64 = 0
        static let signals: UInt64 = 1
        static let events: UInt64 = 2
        static let firstHolder: UInt64 = 16
    }

    /// A connection of `vrdma run`, or a process that holds a lease.
    struct Holder {
        var file: FileDescriptor
        /// A connection that can still ask; a process cannot.
        var isConnection: Bool
        /// What it asked for and has not got yet.
        var request: LeaseRequest?
        /// The guest that it holds.
        var guest: String?
    }

    /// How long a guest without leases is kept, so that a second command started right away meets it.
    private static let graceNanoseconds: UInt64 = 1_000_000_000
    /// How long the process waits for its first lease.
    private static let startNanoseconds: UInt64 = 10_000_000_000
    /// When to try again to end, while somebody holds the lock in order to start.
    private static let retryNanoseconds: UInt64 = 100_000_000
    private static let maximumHolders = 4096

    let directory: RuntimeDirectory
    let log: Log
    let events: EmbeddedEvents
    var guests: [String: EmbeddedGuest] = [:]
    var holders: [UInt64: Holder] = [:]
    private let poller: Poller
    private let signals: SignalDescriptor
    private var endpoint: EmbeddedEndpoint?
    private var listener: FileDescriptor?
    private var nextHolder = Token.firstHolder
    /// When the process ends if there is no guest.
    private var endDeadlineNanoseconds: UInt64
    private var isOver = false
    private var failure: String?

    init(_ directory: RuntimeDirectory, log: Log) throws {
        self.directory = directory
        self.log = log
        signals = try SignalDescriptor()
        poller = try Poller()
        events = try EmbeddedEvents()
        endDeadlineNanoseconds = MonotonicClock.nowNanoseconds &+ Self.startNanoseconds
        try poller.add(signals.rawDescriptor, token: Token.signals)
        try poller.add(events.wakeUp.rawValue, token: Token.events)
    }

    /// Serves until nobody needs it. Returns why it failed, if it did.
    func run(onReady: () -> Void) throws -> String? {
        if mkdir(directory.guestsDirectory, 0o700) != 0, errno != EEXIST { throw Errno.current }
        endpoint = try EmbeddedEndpoint(directory, log: log) { [events] in events.post($0) }
        while !isOver {
            var ready: [Poller.Ready] = []
            try poller.wait(timeoutNanoseconds: sleepNanoseconds(), into: &ready)
            for event in ready { try handle(event, onReady) }
            settleRequests()
            stopIdleGuests()
            if isIdle, MonotonicClock.nowNanoseconds >= endDeadlineNanoseconds { endIfNobodyStarts() }
        }
        removeEverything()
        return failure
    }

    private func handle(_ event: Poller.Ready, _ onReady: () -> Void) throws {
        switch event.token {
        case Token.listener: try acceptConnections()
        case Token.signals: if try signals.next() == .stop { isOver = true }
        case Token.events: for event in events.takeAll() { try handle(event, onReady) }
        default: read(event.token)
        }
    }

    private func handle(_ event: EmbeddedEvent, _ onReady: () -> Void) throws {
        switch event {
        case .endpointReady:
            let listener = try PacketSocket.listen(path: directory.leaseSocketPath)
            try poller.add(listener.rawValue, token: Token.listener)
            self.listener = listener
            onReady()
        case .endpointEnded(let reason):
            failure = reason ?? "the endpoint ended"
            isOver = true
        case .guestReady(let name):
            if guests[name]?.state == .starting { guests[name]?.state = .ready }
        case .guestEnded(let name, let reason):
            guard let guest = guests.removeValue(forKey: name) else { return }
            guest.join()
            if let reason { refuseRequests(for: name, reason) }
            if guests.isEmpty { endDeadlineNanoseconds = MonotonicClock.nowNanoseconds }
        }
    }

    private func acceptConnections() throws {
        while let listener, let socket = try PacketSocket.accept(listener) {
            let user = try PacketSocket.credentials(socket).userIdentifier
            guard user == geteuid() || user == 0, holders.count < Self.maximumHolders else { continue }
            try hold(Holder(file: socket, isConnection: true))
        }
    }

    func hold(_ holder: Holder) throws(Errno) {
        let token = nextHolder
        nextHolder += 1
        try poller.add(holder.file.rawValue, token: token)
        holders[token] = holder
        if let guest = holder.guest { take(guest, token) }
    }

    /// A connection asks or ends; a process ends.
    private func read(_ token: UInt64) {
        guard let holder = holders[token] else { return }
        if holder.isConnection {
            let text = (try? TextPacket.receive(from: holder.file, isBlocking: false)) ?? nil
            if let text, holder.guest == nil, let request = LeaseRequest(text) {
                holders[token]?.request = request
                return
            }
            if let text, !text.isEmpty {
                try? TextPacket.send(
                    LeaseAnswer.refused("not understood: another version is running").text, to: holder.file)
            }
        }
        poller.remove(holder.file.rawValue)
        holders[token] = nil
        guard let name = holder.guest, let guest = guests[name] else { return }
        guest.holders.remove(token)
        if guest.holders.isEmpty {
            guest.idleDeadlineNanoseconds = MonotonicClock.nowNanoseconds &+ Self.graceNanoseconds
        }
    }

    func take(_ name: String, _ token: UInt64) {
        holders[token]?.guest = name
        guests[name]?.holders.insert(token)
        guests[name]?.idleDeadlineNanoseconds = nil
    }

    private func stopIdleGuests() {
        let now = MonotonicClock.nowNanoseconds
        for guest in guests.values where guest.state == .ready {
            if let deadline = guest.idleDeadlineNanoseconds, deadline <= now { guest.stop() }
        }
    }

    private var isIdle: Bool {
        guests.isEmpty && !holders.values.contains { $0.request != nil }
    }

    private func sleepNanoseconds() -> UInt64? {
        var deadlines = guests.values.compactMap { $0.state == .ready ? $0.idleDeadlineNanoseconds : nil }
        if isIdle { deadlines.append(endDeadlineNanoseconds) }
        let now = MonotonicClock.nowNanoseconds
        return deadlines.min().map { $0 > now ? $0 - now : 0 }
    }

    /// Ends unless somebody is starting just now, or has connected meanwhile.
    private func endIfNobodyStarts() {
        endDeadlineNanoseconds = MonotonicClock.nowNanoseconds &+ Self.retryNanoseconds
        guard let lock = StartLock.acquireIfFree(directory) else { return }
        let count = holders.count
        try? acceptConnections()
        guard holders.count == count else { return }
        endLock = lock
        isOver = true
    }

    /// Held from the decision to end until the process is gone, so that nobody starts amid the removal.
    private var endLock: StartLock?

    private func removeEverything() {
        unlink(directory.leaseSocketPath)
        listener = nil
        holders.removeAll()
        for guest in guests.values { guest.stop() }
        for guest in guests.values { guest.join() }
        endpoint?.stop()
        for name in FileSystem.names(in: directory.libraryDirectory) { unlink("\(directory.libraryDirectory)/\(name)") }
        rmdir(directory.libraryDirectory)
        rmdir(directory.guestsDirectory)
        // The log of a failure is worth keeping.
        if failure == nil { unlink(directory.logPath) }
        guard let lock = endLock ?? StartLock.acquireIfFree(directory) else { return }
        endLock = lock
        lock.removeFile()
        rmdir(directory.path)
    }
}

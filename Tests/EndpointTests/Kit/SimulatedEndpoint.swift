import CVRDMAABI
import Endpoint
import HostSimulation
import LinuxIO
import Testing
import Verbs

/// An endpoint without threads, sockets or a clock: its device, a time that tests turn by hand, and the place where the
/// events of its applications arrive.
final class SimulatedEndpoint {
    let device: Device
    /// The time of the next turn.
    var nowNanoseconds: UInt64 = 1_000_000_000
    /// What the device had to say of guests that broke rules.
    private(set) var violations: [String] = []
    /// How many regions the device has let go of.
    private(set) var releasedMemoryCount = 0
    private var contexts: [ObjectIdentifier: Inbox] = [:]
    private var channels: [ObjectIdentifier: Inbox] = [:]
    private var kicked: [UInt32] = []
    private var guestCount: UInt32 = 0
    private var isRestless = false
    /// The device of verbs that the endpoint has, if any.
    let host: SimulatedHostAdapter?
    /// Replies that came later than their commands, by guest.
    private var replies: [UInt32: [vrdma_message]] = [:]
    /// What the device had to say of the host adapter's.
    private(set) var hostLines: [String] = []

    /// Where events of one socket arrive.
    final class Inbox {
        var asyncEvents: [vrdma_async_event] = []
        var completionEvents: [vrdma_completion_event] = []
    }

    init(limits: DeviceLimits = DeviceLimits(), host: SimulatedHostAdapter? = nil, usesLocalPath: Bool = true) {
        self.host = host
        device = Device(limits: limits, host: host, usesLocalPath: usesLocalPath)
    }

    /// A guest with an address of its own, 10.0.0.1 and so on.
    func addGuest(name: String? = nil, address: GID? = nil, limits: DeviceLimits? = nil) throws -> SimulatedGuest {
        guestCount += 1
        let name = name ?? "guest\(guestCount)"
        let address = address ?? GID(ipv4: 0x0a00_0000 + guestCount)
        let identifier = try device.addGuest(name: name, address: address, limits: limits)
        return SimulatedGuest(endpoint: self, identifier: identifier, name: name, address: address)
    }

    /// The addresses of the first guests.
    static var addresses: [GID] { (1...16).map { GID(ipv4: 0x0a00_0000 + $0) } }

    /// One turn of the engine, after the kicks of applications. Returns how much there was to do.
    @discardableResult
    func poll() -> Int {
        takeKicks()
        let work = serveHost() + device.poll(now: nowNanoseconds)
        deliver()
        return work
    }

    /// Lets the host adapter's device work, and takes its events. Returns how much there was to do.
    @discardableResult
    func serveHost() -> Int {
        guard let host else { return 0 }
        let work = host.network.step() + device.serveHostEvents()
        deliver()
        return work
    }

    /// Takes the replies that came late.
    func takeReplies(of guest: UInt32) -> [vrdma_message] {
        defer { replies[guest] = nil }
        return replies[guest] ?? []
    }

    /// Waits for the answer to a command that the device did not answer at once.
    func awaitReply(to command: vrdma_message, of guest: UInt32) -> vrdma_message {
        for _ in 0..<1000 {
            if let position = replies[guest]?.firstIndex(where: { $0.sequence == command.sequence }) {
                return replies[guest]?.remove(at: position) ?? command
            }
            serveHost()
        }
        return command.reply(status: UInt32(Errno.timedOut.rawValue))
    }

    /// Turns until nothing happens any more at this time. Records an issue when that does not come.
    func settle(sourceLocation: SourceLocation = #_sourceLocation) {
        guard !isRestless else { return }
        var quiet = 0
        for _ in 0..<50_000 {
            quiet = poll() == 0 ? quiet + 1 : 0
            if quiet == 2 { return }
        }
        isRestless = true
        Issue.record("the endpoint does not come to rest", sourceLocation: sourceLocation)
    }

    /// Lets time pass, through every deadline in between.
    func advance(nanoseconds: UInt64) {
        let end = nowNanoseconds + nanoseconds
        settle()
        while !isRestless, let deadline = device.nextDeadlineNanoseconds, deadline <= end {
            nowNanoseconds = max(nowNanoseconds, deadline)
            settle()
        }
        nowNanoseconds = end
        settle()
    }

    /// An application wrote its eventfd.
    func kick(context: UInt32) {
        kicked.append(context)
    }

    /// Looks at the eventfds.
    func takeKicks() {
        for context in kicked { device.wake(context: context) }
        kicked = []
    }

    /// Somebody wrote an eventfd since the last turn.
    var isKicked: Bool { !kicked.isEmpty }

    /// Hands out what the device wants sent.
    func deliver() {
        for output in device.takeOutputs() {
            switch output {
            case .asyncEvent(let socket, let event):
                contexts[ObjectIdentifier(socket)]?.asyncEvents.append(event)
            case .completionEvent(let socket, let event):
                channels[ObjectIdentifier(socket)]?.completionEvents.append(event)
            case .releaseMemory: releasedMemoryCount += 1
            case .violation(let guest, let reason):
                violations.append("\(guest): \(reason)")
            case .reply(let guest, let message): replies[guest, default: []].append(message)
            case .hostLost: hostLines.append("lost")
            case .hostAvailable: hostLines.append("available")
            case .addressMissing(let guest, let address): hostLines.append("\(guest) lacks \(address)")
            case .hostObjectLost(let guest, let reason): hostLines.append("\(guest): \(reason)")
            case .registrationRefused(let guest, _, let error): hostLines.append("\(guest) may not register: \(error)")
            }
        }
    }

    func openInbox(asyncSocket: FileDescriptor) -> Inbox {
        let inbox = Inbox()
        contexts[ObjectIdentifier(asyncSocket)] = inbox
        return inbox
    }

    func openInbox(channelSocket: FileDescriptor) -> Inbox {
        let inbox = Inbox()
        channels[ObjectIdentifier(channelSocket)] = inbox
        return inbox
    }
}

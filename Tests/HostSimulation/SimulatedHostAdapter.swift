import CVRDMAABI
import Endpoint
import LinuxIO
import Tables
import TestKit
import Verbs

/// A device of verbs without hardware: it executes requests on registered memory, piece by piece and in random order
/// among queue pairs, says what the engine did wrong, and fails when it is told to.
///
/// It chooses its own numbers and keys, and forgets everything when it is lost. The methods of `HostAdapter` never let
/// it work; `step` does, as hardware works while the engine looks elsewhere or sleeps.
package final class SimulatedHostAdapter: HostAdapter {
    package let network: SimulatedNetwork
    package var behaviour: SimulatedBehaviour
    package var generator: SeededGenerator

    // Objects.
    var domains: [UInt32: SimulatedDomain] = [:]
    var memories: [UInt32: SimulatedHostMemory] = [:]
    var memoryByLocalKey: [UInt32: UInt32] = [:]
    var memoryByRemoteKey: [UInt32: UInt32] = [:]
    var registrations: [PendingSimulatedRegistration] = []
    var deregistrations: [PendingSimulatedDeregistration] = []
    var modifications: [PendingSimulatedModification] = []
    var queues: [UInt32: SimulatedHostQueue] = [:]
    var queuePairs: [UInt32: SimulatedHostQueuePair] = [:]
    var queuePairByNumber: [UInt32: UInt32] = [:]

    // Identifiers to come. Tests set them to make numbers meet.
    package var nextNumber: UInt32
    package var nextKeyIndex: UInt32
    package var nextLocalKey: UInt32 = 0x8000_0001
    var nextHandle: UInt32 = 1
    /// Handles below it are of a device that was lost.
    private var firstHandle: UInt32 = 1

    // Posting.
    var sendBatch: [SimulatedSend] = []
    var receiveBatch: [SimulatedReceive] = []

    // What happened.
    var events: [HostEvent] = []
    private var isArmedForSleep = false
    /// A descriptor of the real thing would be readable.
    package private(set) var isReadable = false
    /// Rules of the adapter that the engine broke.
    package private(set) var violations: [String] = []
    /// Requests as they were posted, oldest first.
    package private(set) var posted: [HostSendRequest] = []

    // The device.
    package private(set) var isAvailable = true
    private var isReturning = false
    package var attributes: HostDeviceAttributes
    package var port: HostPortAttributes
    package let eventDescriptor: FileDescriptor

    package init(
        network: SimulatedNetwork, addresses: [GID], seed: UInt64 = 1, behaviour: SimulatedBehaviour = .init()
    ) throws(Errno) {
        self.network = network
        self.behaviour = behaviour
        generator = SeededGenerator(seed: seed)
        nextNumber = UInt32.random(in: 0x100...0xffff, using: &generator)
        nextKeyIndex = UInt32.random(in: 0x100...0xffff, using: &generator)
        attributes = .simulated
        port = .simulated(addresses)
        eventDescriptor = try EventDescriptor.create()
        network.connect(self)
    }

    package var name: String { "simulated" }
    package var nextDeadlineNanoseconds: UInt64? { nil }
    package var forbiddenLocalKey: UInt32 { 0xffff_ff01 }

    package func hasAddress(_ address: GID) -> Bool { port.addresses.contains(address) }

    // MARK: What tests ask

    /// Objects that are there now; empty after a proper end.
    package var leftovers: [String] {
        var result: [String] = []
        func note(_ count: Int, _ what: String) {
            if count > 0 { result.append("\(count) \(what)") }
        }
        note(queuePairs.count, "queue pairs")
        note(queuePairByNumber.count, "queue pair numbers")
        note(queues.count, "completion queues")
        note(memories.count, "memory regions")
        note(memoryByLocalKey.count, "local keys")
        note(memoryByRemoteKey.count, "remote keys")
        note(registrations.count, "registrations")
        note(deregistrations.count, "deregistrations")
        note(modifications.count, "modifications")
        note(domains.count, "protection domains")
        return result
    }

    package var queuePairCount: Int { queuePairs.count }
    package var completionQueueCount: Int { queues.count }
    package var memoryRegionCount: Int { memories.count }
    package var protectionDomainCount: Int { domains.count }
    /// Registrations and deregistrations under way.
    package var pendingMemoryCount: Int { registrations.count + deregistrations.count }

    /// Whether a peer's request with this key could reach memory.
    package func isReachable(_ remoteKey: UInt32) -> Bool { memoryByRemoteKey[remoteKey] != nil }

    /// The state of the queue pair with a number.
    package func state(ofNumber number: UInt32) -> QueuePairState? {
        queuePairByNumber[number].flatMap { queuePairs[$0]?.state }
    }

    package func queuePairNumber(_ index: UInt32) -> UInt32? { queuePairs[index]?.number }

    // MARK: Loss and return

    /// The device goes away with everything.
    package func lose() {
        if isReturning {
            // Nobody has heard of its return yet.
            events.removeAll { $0 == .available }
            isReturning = false
            return
        }
        guard isAvailable else { return }
        isAvailable = false
        events.removeAll { event in
            switch event {
            case .registered, .registrationFailed, .deregistered, .modified, .modificationFailed: false
            default: true
            }
        }
        for pending in registrations { events.append(.registrationFailed(token: pending.token, .noSuchDevice)) }
        for pending in deregistrations { events.append(.deregistered(token: pending.token)) }
        for pending in modifications { events.append(.modificationFailed(token: pending.token, .noSuchDevice)) }
        (registrations, deregistrations, modifications) = ([], [], [])
        (domains, memories, queues, queuePairs) = ([:], [:], [:], [:])
        (memoryByLocalKey, memoryByRemoteKey, queuePairByNumber) = ([:], [:], [:])
        firstHandle = nextHandle
        note(.lost)
    }

    /// The device is there again; it counts as available from the moment at which the engine hears of it.
    package func restore() {
        guard !isAvailable, !isReturning else { return }
        isReturning = true
        note(.available)
    }

    package func change(port state: UInt32) {
        port.state = state
        note(.port(state == 4 ? .portActive : .portError))
    }

    // MARK: Events

    package func nextEvent() -> HostEvent? {
        isReadable = false
        guard !events.isEmpty else { return nil }
        let event = events.removeFirst()
        if event == .available {
            isAvailable = true
            isReturning = false
        }
        return event
    }

    package func prepareToSleep() -> Bool {
        guard events.isEmpty, queues.values.allSatisfy({ $0.entries.isEmpty }) else { return false }
        isArmedForSleep = true
        return true
    }

    func note(_ event: HostEvent) {
        events.append(event)
        wake()
    }

    func wake() {
        guard isArmedForSleep else { return }
        isArmedForSleep = false
        isReadable = true
    }

    // MARK: Checks

    func violate(_ rule: String) {
        violations.append(rule)
    }

    func remember(_ request: HostSendRequest) {
        if behaviour.remembersRequests { posted.append(request) }
    }

    /// Whether a handle is of a device that was lost since.
    func isStale(_ handle: HostHandle) -> Bool { handle.rawValue < firstHandle }

    /// What every call of a device that is away ends with.
    func checkAvailable() throws(Errno) {
        guard isAvailable else { throw .noSuchDevice }
    }

    // MARK: Work

    /// Lets the device work a little. Returns how much there was to do.
    func step() -> Int {
        guard isAvailable else { return 0 }
        var work = stepMemory() + stepModifications()
        guard !behaviour.forgetsRequests else { return work }
        for index in queuePairs.keys.sorted() {
            guard let queuePair = queuePairs[index] else { continue }
            if behaviour.idleChance > 0, generator.chance(behaviour.idleChance, of: 100) {
                work += queuePair.canExecute && !waitsForReceive(queuePair) ? 1 : 0
                continue
            }
            for _ in 0..<Int.random(in: 1...behaviour.requestsPerStep, using: &generator) {
                guard execute(queuePair) else { break }
                work += 1
            }
        }
        return work
    }
}

import CVRDMAABI
import Endpoint
import Glibc
import LinuxIO
import SharedMemory
import Tables
import Verbs
import VerbsAdapter

/// An adapter, driven as the engine does it.
final class Bench {
    let deviceName: String
    let address: GID
    let adapter: VerbsAdapter
    let domain: HostHandle
    private(set) var events: [HostEvent] = []
    private(set) var completions: [HostCompletion] = []
    private let batch = Block.allocate(count: 64, repeating: HostCompletion())
    private let elements = Block.allocate(count: 32, repeating: vrdma_sge())
    private var token: UInt64 = 0
    private var nextQueue: UInt32 = 0
    private var nextQueuePair: UInt32 = 0

    init(device: String, address: GID) throws {
        deviceName = device
        self.address = address
        adapter = try VerbsAdapter(deviceName: device)
        domain = try adapter.createProtectionDomain()
    }

    deinit {
        batch.deallocate()
        elements.deallocate()
    }

    /// Nothing is left that nobody expected.
    func end() throws {
        turn()
        try expect(completions.isEmpty, "completions are left: \(completions)")
    }

    /// One turn of the engine.
    func turn() {
        let count = adapter.poll(into: batch, now: MonotonicClock.nowNanoseconds)
        for position in 0..<count { completions.append(batch[position]) }
        while let event = adapter.nextEvent() { events.append(event) }
    }

    func wait(_ what: String, seconds: Double = 20, until condition: () -> Bool) throws {
        let deadline = MonotonicClock.nowNanoseconds + UInt64(seconds * 1e9)
        while !condition() {
            if MonotonicClock.nowNanoseconds > deadline {
                throw Failure("no \(what) within \(seconds) s; events: \(events)")
            }
            turn()
        }
    }

    func hasEvent(_ event: HostEvent) -> Bool { events.contains(event) }

    func takeEvents() -> [HostEvent] {
        defer { events.removeAll() }
        return events
    }

    func waitForEvent(_ what: String, seconds: Double = 20, _ matches: (HostEvent) -> Bool) throws {
        try wait(what, seconds: seconds) { events.contains(where: matches) }
        events.removeAll(where: matches)
    }

    func nextCompletion(seconds: Double = 20) throws -> HostCompletion {
        try wait("completion", seconds: seconds) { !completions.isEmpty }
        return completions.removeFirst()
    }

    // MARK: Objects

    func queue(entries: UInt32 = 256) throws -> UInt32 {
        let queue = nextQueue
        nextQueue += 1
        try adapter.createCompletionQueue(queue, entryCount: entries)
        return queue
    }

    func shape(_ queue: UInt32, receiveQueue: UInt32? = nil) -> HostQueuePairShape {
        HostQueuePairShape(
            domain: domain, sendCompletionQueue: queue, receiveCompletionQueue: receiveQueue ?? queue, sendEntries: 64,
            receiveEntries: 64, sendElements: 4, receiveElements: 4,
            inlineBytes: min(64, adapter.attributes.inlineBytes),
            signalsAll: false)
    }

    func queuePair(_ shape: HostQueuePairShape) throws -> (index: UInt32, number: QueuePairNumber) {
        let index = nextQueuePair
        nextQueuePair += 1
        return (index, try adapter.createQueuePair(index, shape))
    }

    func register(_ pieces: [HostRegistration.Piece], start: UInt64, access: AccessFlags = .everything) throws
        -> HostMemory
    {
        let token = beginRegistration(pieces, start: start, access: access)
        var answer: HostMemory?
        var refusal: Errno?
        try wait("answer to a registration") {
            for event in events {
                if case .registered(token, let memory) = event { answer = memory }
                if case .registrationFailed(token, let error) = event { refusal = error }
            }
            return answer != nil || refusal != nil
        }
        events.removeAll()
        if let refusal { throw refusal }
        guard let answer else { throw Failure("no answer") }
        return answer
    }

    func beginRegistration(_ pieces: [HostRegistration.Piece], start: UInt64, access: AccessFlags = .everything)
        -> UInt64
    {
        token += 1
        adapter.beginRegistration(
            HostRegistration(
                domain: domain, start: start, lengthBytes: pieces.reduce(0) { $0 + $1.lengthBytes }, access: access,
                pieces: pieces), token: token)
        return token
    }

    func deregister(_ memory: HostMemory) throws {
        token += 1
        let token = token
        adapter.beginDeregistration(memory.handle, token: token)
        try waitForEvent("answer to a deregistration") { $0 == .deregistered(token: token) }
    }

    /// A mapping of its own, registered at its own address.
    func buffer(_ sizeBytes: Int) throws -> Buffer {
        let mapping = try Mapping(name: "probe", sizeBytes: sizeBytes)
        let start = UInt64(UInt(bitPattern: mapping.base))
        let piece = HostRegistration.Piece(mapping: mapping, offset: 0, lengthBytes: UInt64(sizeBytes))
        return Buffer(mapping: mapping, start: start, memory: try register([piece], start: start))
    }

    // MARK: Requests

    func post(_ queuePair: UInt32, _ request: HostSendRequest, _ list: [vrdma_sge] = []) -> Bool {
        var request = request
        request.elementCount = list.count
        for (position, element) in list.enumerated() { elements[position] = element }
        guard adapter.appendSend(request, elements: elements) else { return false }
        return adapter.postSends(queuePair) == 1
    }

    func postReceive(_ queuePair: UInt32, index: UInt32, _ list: [vrdma_sge] = []) -> Bool {
        for (position, element) in list.enumerated() { elements[position] = element }
        guard adapter.appendReceive(index: index, elements: elements, elementCount: list.count) else { return false }
        return adapter.postReceives(queuePair) == 1
    }
}

/// Registered memory of the probe's own.
struct Buffer {
    var mapping: Mapping
    var start: UInt64
    var memory: HostMemory

    func element(_ offset: Int = 0, _ length: Int) -> vrdma_sge {
        vrdma_sge(address: start + UInt64(offset), length: UInt32(length), lkey: memory.localKey)
    }

    /// A byte for every place, different for every seed.
    func fill(_ seed: UInt8) {
        for place in 0..<mapping.sizeBytes {
            mapping.base.storeBytes(of: Self.byte(seed, place), toByteOffset: place, as: UInt8.self)
        }
    }

    static func byte(_ seed: UInt8, _ place: Int) -> UInt8 {
        seed &+ UInt8(truncatingIfNeeded: place) &* 7 &+ UInt8(truncatingIfNeeded: place >> 8) &* 13
    }

    func byte(_ place: Int) -> UInt8 { mapping.base.load(fromByteOffset: place, as: UInt8.self) }

    /// Whether bytes are those that another buffer was filled with.
    func holds(_ seed: UInt8, from place: Int = 0, at offset: Int = 0, count: Int) -> Bool {
        (0..<count).allSatisfy { byte(offset + $0) == Self.byte(seed, place + $0) }
    }
}

extension AccessFlags {
    static let everything: AccessFlags = [.localWrite, .remoteWrite, .remoteRead, .remoteAtomic]
}

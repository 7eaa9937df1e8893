import OutOfBand
import VRDMA

/// What the two programs have agreed on.
enum Agreement {
    static let messageBytes = 64
    static let rounds = 2_000
    static let blockBytes = 64 * 1024
    static let slots = 16
    static let blocks = 4_000
}

/// One end of the connection: a queue pair, and memory for messages in both directions.
struct Connection {
    let queuePair: QueuePair
    let completions: CompletionQueue
    /// What is sent, in slots of `blockBytes`.
    let outgoing: RegisteredBuffer
    /// What is received, in slots of `blockBytes`.
    let incoming: RegisteredBuffer

    init(_ device: Device) throws(VerbsError) {
        let domain = try ProtectionDomain(device)
        completions = try CompletionQueue(device, capacity: 4 * Agreement.slots)
        queuePair = try QueuePair(
            domain, sendCompletionQueue: completions,
            capabilities: QueuePair.Capabilities(
                maxSendRequests: Agreement.slots, maxReceiveRequests: 2 * Agreement.slots))
        outgoing = try RegisteredBuffer(domain, byteCount: Agreement.slots * Agreement.blockBytes)
        incoming = try RegisteredBuffer(domain, byteCount: Agreement.slots * Agreement.blockBytes)
    }

    /// Posts a receive request for every slot, connects, and goes on when the peer has done the same.
    func connect(_ other: inout OutOfBandConnection) throws {
        try queuePair.initialize()
        for slot in 0..<Agreement.slots { try receive(into: slot) }
        let peer = try other.exchange(queuePair.endpoint)
        try queuePair.connect(to: peer)
        try other.meet()
    }

    /// Lets the next message that comes go into a slot. Its completion names the slot.
    func receive(into slot: Int) throws(VerbsError) {
        try queuePair.post(
            ReceiveRequest(incoming[Self.bytes(of: slot, Agreement.blockBytes)], identifier: UInt64(slot)))
    }

    /// Sends the beginning of a slot.
    func send(slot: Int, byteCount: Int) throws(VerbsError) {
        try queuePair.post(.send(outgoing[Self.bytes(of: slot, byteCount)], identifier: UInt64(slot)))
    }

    /// The next completion, which must be of a success.
    func completion() async throws -> WorkCompletion {
        let completion = try await completions.next()
        guard completion.isSuccess else {
            throw OutOfBandConnection.Failure("a request ended with: \(completion.status)")
        }
        return completion
    }

    /// The next message: its slot and its length. Completions of what was sent are passed over.
    func message() async throws -> (slot: Int, byteCount: Int) {
        while true {
            let completion = try await completion()
            if completion.isReceive { return (Int(completion.identifier), Int(completion.byteCount)) }
        }
    }

    static func bytes(of slot: Int, _ count: Int) -> Range<Int> {
        slot * Agreement.blockBytes..<slot * Agreement.blockBytes + count
    }
}

extension RegisteredBuffer {
    /// Fills a part with a pattern.
    func fill(_ range: Range<Int>, seed: UInt64) {
        withMutableSpan(of: UInt64.self) { words in
            Pattern.fill(&words, range.lowerBound / 8..<range.upperBound / 8, seed: seed)
        }
    }

    /// Whether a part is a pattern.
    func matches(_ range: Range<Int>, seed: UInt64) -> Bool {
        withSpan(of: UInt64.self) { words in
            Pattern.matches(words, range.lowerBound / 8..<range.upperBound / 8, seed: seed)
        }
    }
}

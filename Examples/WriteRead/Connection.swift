import OutOfBand
import VRDMA

/// What the two programs have agreed on.
enum Agreement {
    static let messageBytes = 64
    static let rounds = 20_000
    static let blockBytes = 1 << 20
    static let slots = 8
    static let blocks = 2_000
}

/// One end of the connection: a queue pair, memory that the peer may write to and read, and memory of its own.
struct Connection {
    let queuePair: QueuePair
    let completions: CompletionQueue
    /// What the peer works on.
    let shared: RegisteredBuffer
    /// What nobody but this program works on.
    let own: RegisteredBuffer

    init(_ device: Device) throws(VerbsError) {
        let domain = try ProtectionDomain(device)
        completions = try CompletionQueue(device, notification: .none)
        queuePair = try QueuePair(
            domain, sendCompletionQueue: completions,
            capabilities: QueuePair.Capabilities(maxReceiveRequests: 0, maxInlineBytes: Agreement.messageBytes))
        let byteCount = Agreement.slots * Agreement.blockBytes
        shared = try RegisteredBuffer(
            domain, byteCount: byteCount, access: [.localWrite, .remoteWrite, .remoteRead])
        own = try RegisteredBuffer(domain, byteCount: byteCount)
    }

    /// Connects, and tells where the peer's memory is.
    func connect(_ other: inout OutOfBandConnection) throws -> RemoteMemory {
        let peer = try other.exchange(queuePair.endpoint)
        try queuePair.connect(to: peer)
        let memory = try other.exchange(shared.remote)
        try other.meet()
        return memory
    }

    /// Polls for the next completion, which must be of a success.
    func completion() throws -> WorkCompletion {
        while true {
            guard let completion = completions.poll() else { continue }
            guard completion.isSuccess else {
                throw OutOfBandConnection.Failure("a request ended with: \(completion.status)")
            }
            return completion
        }
    }

    /// Writes the message of a round, whose last byte is the round's stamp, from the queue entry itself.
    func write(_ message: inout [UInt8], round: Int, to memory: RemoteMemory) throws(VerbsError) {
        message[message.count - 1] = Self.stamp(round)
        // One completion for many requests is enough to make room in the send queue.
        let flags: WorkRequest.Flags = round % 32 == 0 ? .signaled : []
        try queuePair.post(.write([], to: memory, flags: flags), inlining: message.span.bytes)
    }

    /// Polls the last byte of the message of a round, which the peer writes. Whoever sees it sees all of the message.
    func awaitMessage(round: Int) throws {
        repeat {
            // This takes the completions of the own writes, and lets the endpoint have the processor if it needs it.
            if let completion = completions.poll(), !completion.isSuccess {
                throw OutOfBandConnection.Failure("a request ended with: \(completion.status)")
            }
        } while shared.loadAcquiring(byteAt: Agreement.messageBytes - 1) != Self.stamp(round)
    }

    /// The stamp of a round; never 0, which is there at first.
    static func stamp(_ round: Int) -> UInt8 { UInt8(1 + round % 255) }
}

import OutOfBand
import VRDMA

/// One end of a test: a queue pair and one buffer for everything that is sent, and one for what is received.
struct TestSide {
    let plan: TestPlan
    let completions: CompletionQueue
    let channel: CompletionChannel?
    let queuePair: QueuePair
    let outgoing: RegisteredBuffer
    let incoming: RegisteredBuffer

    init(_ plan: TestPlan) throws(VerbsError) {
        self.plan = plan
        let device = try Device.open()
        let domain = try ProtectionDomain(device)
        let notification: CompletionQueue.Notification
        switch plan.wait {
        case .poll:
            channel = nil
            notification = .none
        case .block:
            let made = try CompletionChannel(device)
            channel = made
            notification = .channel(made)
        case .task:
            channel = nil
            notification = .tasks
        }
        completions = try CompletionQueue(
            device, capacity: 2 * plan.depth + plan.receiveDepth, notification: notification)
        let inline = min(Int(device.attributes.maxInlineBytes), plan.byteCount)
        queuePair = try QueuePair(
            domain, sendCompletionQueue: completions,
            capabilities: QueuePair.Capabilities(
                maxSendRequests: max(plan.depth, 128), maxReceiveRequests: plan.receiveDepth, maxInlineBytes: inline))
        let byteCount = max(plan.byteCount, 8)
        let everything: AccessFlags = [.localWrite, .remoteWrite, .remoteRead, .remoteAtomic]
        outgoing = try RegisteredBuffer(domain, byteCount: byteCount, access: everything)
        incoming = try RegisteredBuffer(domain, byteCount: byteCount, access: everything)
    }

    /// Posts the receive requests, connects, and tells where the memory is. Returns where the peer's is.
    func connect(_ other: inout OutOfBandConnection) throws -> RemoteMemory {
        try queuePair.initialize()
        try queuePair.post([ReceiveRequest](repeating: receiveRequest, count: plan.receiveDepth))
        let peer = try other.exchange(queuePair.endpoint)
        try queuePair.connect(to: peer)
        let memory = try other.exchange(incoming.remote)
        try other.meet()
        return memory
    }

    /// A receive into the one buffer.
    var receiveRequest: ReceiveRequest { ReceiveRequest(incoming[0..<plan.byteCount]) }

    /// Fills a buffer with the bytes that the other side expects.
    static func fill(_ buffer: RegisteredBuffer) {
        buffer.withMutableBytes { bytes in
            var pattern = Pattern(UInt64(bytes.byteCount))
            for offset in bytes.byteOffsets {
                bytes.storeBytes(
                    of: UInt8(truncatingIfNeeded: pattern.nextWord()), toByteOffset: offset, as: UInt8.self)
            }
        }
    }

    /// Throws when the first bytes of a buffer are not those of `fill`.
    static func verify(_ buffer: RegisteredBuffer, byteCount: Int) throws(BenchError) {
        let isRight = buffer.withUnsafeBytes { bytes in
            var pattern = Pattern(UInt64(bytes.count))
            return bytes.prefix(byteCount).allSatisfy { $0 == UInt8(truncatingIfNeeded: pattern.nextWord()) }
        }
        guard isRight else { throw BenchError("the bytes that arrived are not those that were sent") }
    }

    static func check(_ completion: WorkCompletion) throws(BenchError) {
        guard completion.isSuccess else { throw BenchError("a request ended with: \(completion.status)") }
    }
}

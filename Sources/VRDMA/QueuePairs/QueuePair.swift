internal import Provider

/// A reliable connection's end: a send queue and a receive queue (ibv_create_qp(3), IBA 10.2.4).
///
/// It keeps its completion queues and its protection domain alive, and the memory of posted requests until their
/// completions are polled. When it is released, outstanding requests end without a completion.
public final class QueuePair: @unchecked Sendable {
    /// What a queue pair can hold (`struct ibv_qp_cap`).
    public struct Capabilities: Hashable, Sendable {
        /// Requests in the send queue.
        public var maxSendRequests: Int
        /// Requests in the receive queue; 0 for a queue pair that receives nothing.
        public var maxReceiveRequests: Int
        /// Pieces of memory of one send request.
        public var maxSendElements: Int
        /// Pieces of memory of one receive request.
        public var maxReceiveElements: Int
        /// Bytes that one send request can carry inline.
        public var maxInlineBytes: Int

        /// What a queue pair shall hold at least.
        public init(
            maxSendRequests: Int = 128, maxReceiveRequests: Int = 128, maxSendElements: Int = 1,
            maxReceiveElements: Int = 1, maxInlineBytes: Int = 0
        ) {
            self.maxSendRequests = maxSendRequests
            self.maxReceiveRequests = maxReceiveRequests
            self.maxSendElements = maxSendElements
            self.maxReceiveElements = maxReceiveElements
            self.maxInlineBytes = maxInlineBytes
        }
    }

    /// The domain that it belongs to.
    public let domain: ProtectionDomain
    /// Where its send requests complete.
    public let sendCompletionQueue: CompletionQueue
    /// Where its receive requests complete.
    public let receiveCompletionQueue: CompletionQueue
    /// Its number, which a peer needs.
    public let number: QueuePairNumber
    /// What it can hold: at least what was asked for.
    public let capabilities: Capabilities
    /// All send requests are signalled, whatever their flags say (`sq_sig_all`).
    public let signalsAll: Bool
    /// The first PSN that it sends when `connect` sets it up; chosen at random.
    public let initialPSN: PacketSequenceNumber

    let queuePair: UnsafeMutablePointer<ProviderQueuePair>
    let holds: UnsafeMutablePointer<QueuePairHolds>

    /// Makes a queue pair in the state RESET.
    ///
    /// - Parameters:
    ///   - sendCompletionQueue: where its send requests complete.
    ///   - receiveCompletionQueue: where its receive requests complete; nil takes the same queue for both.
    ///   - signalsAll: all send requests are signalled, whatever their flags say.
    /// - Throws: `EINVAL` for more than the device offers or objects of different devices, `ENOMEM` at the guest's
    ///   limit of queue pairs or memory.
    public init(
        _ domain: ProtectionDomain, sendCompletionQueue: CompletionQueue,
        receiveCompletionQueue: CompletionQueue? = nil, capabilities wanted: Capabilities = Capabilities(),
        signalsAll: Bool = false
    ) throws(VerbsError) {
        let receiveCompletionQueue = receiveCompletionQueue ?? sendCompletionQueue
        let device = domain.device
        let asked = try wanted.provider(device.attributes)
        guard sendCompletionQueue.device === device, receiveCompletionQueue.device === device else {
            throw VerbsError(
                .invalidArgument, "create a queue pair", "the domain and the completion queues are of different devices"
            )
        }
        let limit = device.attributes.maxQueuePairs
        queuePair = try explaining(
            "create a queue pair", of: device,
            { ErrorTexts.objectLimit($0, "queue pairs", limit: limit, key: "queue-pairs") },
            { () throws(Errno) in
                try device.context.createQueuePair(
                    asked, protectionDomain: domain.handle, sendCompletionQueue: sendCompletionQueue.queue,
                    receiveCompletionQueue: receiveCompletionQueue.queue, signalAll: signalsAll)
            })
        holds = .allocate(capacity: 1)
        holds.initialize(to: QueuePairHolds())
        queuePair.pointee.userTag = UInt(bitPattern: holds)
        self.domain = domain
        self.sendCompletionQueue = sendCompletionQueue
        self.receiveCompletionQueue = receiveCompletionQueue
        self.signalsAll = signalsAll
        number = QueuePairNumber(rawValue: queuePair.pointee.number)
        capabilities = Capabilities(queuePair.pointee.capabilities)
        initialPSN = PacketSequenceNumber(rawValue: .random(in: 0...0xff_ffff))
    }

    deinit {
        do throws(Errno) {
            // After this nobody finds the tag any more.
            try domain.device.context.destroyQueuePair(queuePair)
        } catch {
            // The endpoint did not answer in time: what may still be in use is better lost than reused.
            return
        }
        var finished = FinishedHolds<MemoryRegion>()
        holds.pointee.sends.takeAll(into: &finished)
        holds.pointee.receives.takeAll(into: &finished)
        holds.pointee.sends.deallocate()
        holds.pointee.receives.deallocate()
        holds.deallocate()
        finished.release()
    }
}

extension QueuePair.Capabilities {
    init(_ capabilities: QueuePairCapabilities) {
        self.init(
            maxSendRequests: Int(capabilities.maxSendRequests),
            maxReceiveRequests: Int(capabilities.maxReceiveRequests),
            maxSendElements: Int(capabilities.maxSendElements),
            maxReceiveElements: Int(capabilities.maxReceiveElements), maxInlineBytes: Int(capabilities.maxInlineBytes))
    }

    /// Checked against what the device offers.
    fileprivate func provider(_ device: DeviceAttributes) throws(VerbsError) -> QueuePairCapabilities {
        func checked(_ value: Int, _ name: String, _ limit: UInt32) throws(VerbsError) -> UInt32 {
            guard let number = UInt32(exactly: value), number <= limit else {
                throw VerbsError(
                    .invalidArgument, "create a queue pair", "\(name) is \(value); the device offers 0 to \(limit)")
            }
            return number
        }
        return QueuePairCapabilities(
            maxSendRequests: try checked(maxSendRequests, "maxSendRequests", device.maxWorkRequests),
            maxReceiveRequests: try checked(maxReceiveRequests, "maxReceiveRequests", device.maxWorkRequests),
            maxSendElements: try checked(maxSendElements, "maxSendElements", device.maxElements),
            maxReceiveElements: try checked(maxReceiveElements, "maxReceiveElements", device.maxElements),
            maxInlineBytes: try checked(maxInlineBytes, "maxInlineBytes", device.maxInlineBytes))
    }
}

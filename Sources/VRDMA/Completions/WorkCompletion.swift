internal import CVRDMAABI

/// How a work request ended (`struct ibv_wc`, ibv_poll_cq(3)).
public struct WorkCompletion: BitwiseCopyable, Hashable, Sendable {
    /// The identifier that the request was posted with.
    public var identifier: UInt64
    /// How it ended. When it is not `success`, only `identifier` and `queuePairNumber` mean something beside it.
    public var status: WorkCompletionStatus
    private var rawOpcode: UInt32
    /// A code of the device for what went wrong.
    public var vendorError: UInt32
    /// Bytes that were received, or transferred by a READ or an atomic operation.
    public var byteCount: UInt32
    private var networkImmediate: UInt32
    private var rawQueuePairNumber: UInt32
    private var rawSourceNumber: UInt32
    private var flags: UInt32

    /// A completion of nothing, to make room for others.
    public init() {
        identifier = 0
        status = .success
        rawOpcode = 0
        vendorError = 0
        byteCount = 0
        networkImmediate = 0
        rawQueuePairNumber = 0
        rawSourceNumber = 0
        flags = 0
    }

    @inline(__always)
    init(_ completion: vrdma_cqe) {
        identifier = completion.wr_id
        status = WorkCompletionStatus(rawValue: completion.status)
        rawOpcode = completion.opcode
        vendorError = completion.vendor_error
        byteCount = completion.byte_length
        networkImmediate = completion.immediate
        rawQueuePairNumber = completion.qp_number
        rawSourceNumber = completion.source_qp
        flags = completion.flags
    }

    /// Whether the request did what it should.
    public var isSuccess: Bool { status == .success }
    /// What kind of request it was.
    public var opcode: WorkCompletionOpcode { WorkCompletionOpcode(rawValue: rawOpcode) ?? .send }
    /// Whether it is of a receive queue.
    public var isReceive: Bool { rawOpcode & WorkCompletionOpcode.receive.rawValue != 0 }
    /// The immediate data that a message came with, in host byte order; nil when it had none. On the wire it is in
    /// network byte order, as `htonl` makes it in programs in C.
    public var immediate: UInt32? {
        flags & VRDMA_WC_FLAG_WITH_IMM == 0 ? nil : UInt32(bigEndian: networkImmediate)
    }
    /// The queue pair that the request was posted to.
    public var queuePairNumber: QueuePairNumber { QueuePairNumber(rawValue: rawQueuePairNumber) }
    /// The peer's queue pair, for what was received.
    public var sourceQueuePairNumber: QueuePairNumber { QueuePairNumber(rawValue: rawSourceNumber) }
}

import CVRDMAABI
import Verbs

/// Two queue pairs of one device, connected to each other.
struct Pair {
    let bench: Bench
    let queue: UInt32
    let receiveQueue: UInt32
    let a: UInt32
    let b: UInt32
    let aNumber: QueuePairNumber
    let bNumber: QueuePairNumber

    init(_ bench: Bench) throws {
        self.bench = bench
        queue = try bench.queue()
        receiveQueue = try bench.queue()
        (a, aNumber) = try bench.queuePair(bench.shape(queue))
        (b, bNumber) = try bench.queuePair(bench.shape(queue, receiveQueue: receiveQueue))
        try Self.connect(bench, a, to: bNumber)
        try Self.connect(bench, b, to: aNumber)
    }

    static func connect(_ bench: Bench, _ queuePair: UInt32, to number: QueuePairNumber) throws {
        try initialize(bench, queuePair)
        try toReceive(bench, queuePair, number, destination: bench.address)
        try toSend(bench, queuePair)
    }

    static func initialize(_ bench: Bench, _ queuePair: UInt32) throws {
        var attributes = vrdma_qp_attributes()
        attributes.attribute_mask = Mask.state | Mask.pkeyIndex | Mask.port | Mask.accessFlags
        attributes.qp_state = QueuePairState.initialized.rawValue
        attributes.port_number = 1
        attributes.access_flags = AccessFlags.everything.rawValue
        try bench.adapter.modifyQueuePair(queuePair, attributes, source: bench.address)
    }

    static func toReceive(_ bench: Bench, _ queuePair: UInt32, _ number: QueuePairNumber, destination: GID) throws {
        let attributes = receiveAttributes(bench, number, destination: destination)
        try bench.adapter.modifyQueuePair(queuePair, attributes, source: bench.address)
    }

    static func receiveAttributes(
        _ bench: Bench, _ number: QueuePairNumber, destination: GID
    ) -> vrdma_qp_attributes {
        var attributes = vrdma_qp_attributes()
        attributes.attribute_mask =
            Mask.state | Mask.path | Mask.pathMTU | Mask.destination | Mask.receivePSN | Mask.destinationReads
            | Mask.rnrTimer
        attributes.qp_state = QueuePairState.readyToReceive.rawValue
        attributes.path_mtu = bench.adapter.port.activeMTU
        attributes.destination_qp_number = number.rawValue
        attributes.rq_psn = 0x1234
        attributes.max_destination_rd_atomic = 4
        attributes.min_rnr_timer = 12
        attributes.is_global = 1
        attributes.hop_limit = 64
        withUnsafeMutableBytes(of: &attributes.destination_gid) { $0.copyBytes(from: destination.bytes) }
        return attributes
    }

    static func toSend(_ bench: Bench, _ queuePair: UInt32) throws {
        var attributes = vrdma_qp_attributes()
        attributes.attribute_mask =
            Mask.state | Mask.timeout | Mask.retryCount | Mask.rnrRetry | Mask.sendPSN | Mask.reads
        attributes.qp_state = QueuePairState.readyToSend.rawValue
        attributes.sq_psn = 0x1234
        attributes.timeout = 14
        attributes.retry_count = 3
        attributes.rnr_retry = 7
        attributes.max_rd_atomic = 4
        try bench.adapter.modifyQueuePair(queuePair, attributes, source: bench.address)
    }

    static func setState(_ bench: Bench, _ queuePair: UInt32, _ state: QueuePairState) throws {
        var attributes = vrdma_qp_attributes()
        attributes.attribute_mask = Mask.state
        attributes.qp_state = state.rawValue
        try bench.adapter.modifyQueuePair(queuePair, attributes, source: bench.address)
    }

    func destroy() {
        for queuePair in [a, b] { bench.adapter.destroyQueuePair(queuePair) }
        for queue in [queue, receiveQueue] { bench.adapter.destroyCompletionQueue(queue) }
    }
}

/// The bits of `enum ibv_qp_attr_mask`.
enum Mask {
    static let state: UInt32 = 1 << 0
    static let accessFlags: UInt32 = 1 << 3
    static let pkeyIndex: UInt32 = 1 << 4
    static let port: UInt32 = 1 << 5
    static let path: UInt32 = 1 << 7
    static let pathMTU: UInt32 = 1 << 8
    static let timeout: UInt32 = 1 << 9
    static let retryCount: UInt32 = 1 << 10
    static let rnrRetry: UInt32 = 1 << 11
    static let receivePSN: UInt32 = 1 << 12
    static let reads: UInt32 = 1 << 13
    static let rnrTimer: UInt32 = 1 << 15
    static let sendPSN: UInt32 = 1 << 16
    static let destinationReads: UInt32 = 1 << 17
    static let destination: UInt32 = 1 << 20
}

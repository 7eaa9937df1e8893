import CRDMACore

/// A change of a queue pair that another thread carries out.
struct QueuePairChange: @unchecked Sendable {
    var queuePair: UInt32
    var real: UnsafeMutablePointer<ibv_qp>
    var attributes: ibv_qp_attr
    var mask: UInt32
    var token: UInt64
}

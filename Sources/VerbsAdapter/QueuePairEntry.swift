import CRDMACore

/// A queue pair of the engine's, on the device.
struct QueuePairEntry: BitwiseCopyable {
    var real: UnsafeMutablePointer<ibv_qp>?
    /// The device's number of it.
    var number: UInt32 = 0
    /// Changes whenever what was posted is forgotten.
    var generation: UInt32 = 0
    var domain: UInt32 = 0
    var sendCompletionQueue: UInt32 = 0
    var receiveCompletionQueue: UInt32 = 0
    /// The index behind the last request posted.
    var sendTail: UInt32 = 0
    var receiveTail: UInt32 = 0
    /// Requests that have not completed.
    var sendOutstanding: UInt32 = 0
    var receiveOutstanding: UInt32 = 0
    /// Changes that another thread carries out.
    var changes: UInt32 = 0
    /// It is listed as one that got receives; at the last look nothing had completed.
    var isWatched = false
    var isSilent = false
    /// How many receives had completed by the last look.
    var completedAtLook: UInt32 = 0

    mutating func forget() {
        let last = generation
        let wasWatched = isWatched
        self = QueuePairEntry()
        generation = last &+ 1
        isWatched = wasWatched
    }
}

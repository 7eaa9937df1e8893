import CRDMACore

/// A completion queue of the engine's, on the device.
struct CompletionQueueEntry: BitwiseCopyable {
    var real: UnsafeMutablePointer<ibv_cq>?
    /// Requests on its queue pairs that have not completed.
    var outstanding: UInt64 = 0
    /// Polls since the last completion.
    var quietPolls: UInt32 = 0
    /// Events that libibverbs wants to be acknowledged before the queue can go.
    var unacknowledgedEvents: UInt32 = 0
    /// It is in the list of those that are looked at.
    var isHot = false
    /// The next completion makes an event, or has made one that was not taken yet.
    var isArmed = false
    /// The guest waits for the event of a solicited completion: one for any completion would be one too many.
    var wishesEvent = false
    /// The guest gets its event when all completions up to it were taken.
    var owesEvent = false
    /// There may be completions that nobody counts: of a queue pair that is gone, or of the adapter's own.
    var needsDraining = false

    /// It has gone, but may still be listed.
    mutating func forget() {
        let wasHot = isHot
        self = CompletionQueueEntry()
        isHot = wasHot
    }

    /// Whether a look could find something.
    var isWorthPolling: Bool {
        @inline(__always) get { outstanding > 0 || needsDraining || owesEvent }
    }
}

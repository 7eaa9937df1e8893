/// What the engine keeps from one turn to the next.
struct TurnState {
    /// The time of the turn.
    var nowNanoseconds: UInt64 = 0
    /// The earliest deadline of a waiting queue pair; .max when none waits.
    var nextDeadlineNanoseconds: UInt64 = .max
    /// What the guest whose turn it is may still have done.
    var requestsLeft = 0
    var bytesLeft: UInt64 = 0
    /// Contexts of all guests whose doorbells are looked at without a kick.
    var hotContextCount = 0
    /// Shared-memory regions of all guests.
    var regionCount = 0
    var turnCount: UInt64 = 0
}

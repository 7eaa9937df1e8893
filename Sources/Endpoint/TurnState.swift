/// What the engine keeps from one turn to the next.
struct TurnState {
    /// The time of the turn.
    var nowNanoseconds: UInt64 = 0
    /// The earliest deadline of a waiting queue pair; .max when none waits.
    var nextDeadlineNanoseconds: UInt64 = .max
    var turnCount: UInt64 = 0
}

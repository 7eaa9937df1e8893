import Tables

/// What of a guest the engine has to look at. Each guest has its own, so that what one of them does in a turn is bounded,
/// however many queue pairs it keeps busy.
struct GuestSchedule: BitwiseCopyable {
    /// Queue pairs that are looked at without a doorbell.
    let active: IndexList
    /// Contexts whose doorbells are looked at without a kick.
    let hot: IndexList
    /// Where the next turn goes on in `active`.
    var nextActive = 0
    /// Where the next turn goes on in `hot`.
    var nextHot = 0
    /// Listed among those that have something to be looked at.
    var isRunnable = false

    init(limits: DeviceLimits) {
        active = IndexList(capacity: limits.queuePairsPerGuest)
        hot = IndexList(capacity: limits.contextsPerGuest)
    }

    var isEmpty: Bool { active.isEmpty && hot.isEmpty }

    func deallocate() {
        active.deallocate()
        hot.deallocate()
    }
}

extension IndexList {
    /// Removes an index, wherever it stands. For commands: it searches.
    func remove(_ index: UInt32) {
        for position in 0..<count where self[position] == index {
            removeSwapping(at: position)
            return
        }
    }
}

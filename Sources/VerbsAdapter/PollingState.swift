import CRDMACore
import Endpoint
import Tables

/// What polling goes by, and its preallocated room.
struct PollingState {
    private struct Words: BitwiseCopyable {
        var cursor = 0
        var nowNanoseconds: UInt64 = 0
        var nextCheckNanoseconds: UInt64 = 0
        /// 0: none.
        var sleepDeadline: UInt64 = 0
        var pendingCount = 0
        var solicitedInterval: UInt64 = 0
    }

    /// Completions found on the way to sleep, or 0.
    static let pendingCapacity = 16

    private let words: Block<Words>
    let pending: Block<HostCompletion>
    let completions: UnsafeMutablePointer<ibv_wc>
    let completionCapacity: Int
    /// Completion queues that are looked at.
    let hot: IndexList

    init(_ limits: VerbsAdapterLimits) {
        words = .allocate(count: 1, repeating: Words())
        pending = .allocate(count: Self.pendingCapacity, repeating: HostCompletion())
        completionCapacity = max(Self.pendingCapacity, limits.completionsPerQueueTurn)
        completions = .allocate(capacity: completionCapacity)
        completions.initialize(repeating: ibv_wc(), count: completionCapacity)
        hot = IndexList(capacity: limits.completionQueues)
    }

    func deallocate() {
        words.deallocate()
        pending.deallocate()
        completions.deallocate()
        hot.deallocate()
    }

    func forgetPending() {
        words[0].pendingCount = 0
        words[0].sleepDeadline = 0
    }

    /// Where the next poll goes on, so that every queue has its turn.
    var cursor: Int {
        get { words[0].cursor }
        nonmutating set { words[0].cursor = newValue }
    }

    /// The time of the last poll.
    var nowNanoseconds: UInt64 {
        get { words[0].nowNanoseconds }
        nonmutating set { words[0].nowNanoseconds = newValue }
    }

    /// When to ask the kernel what is readable.
    var nextCheckNanoseconds: UInt64 {
        get { words[0].nextCheckNanoseconds }
        nonmutating set { words[0].nextCheckNanoseconds = newValue }
    }

    /// The last time that was waited for queues which no event announces, in nanoseconds.
    var solicitedInterval: UInt64 {
        get { words[0].solicitedInterval }
        nonmutating set { words[0].solicitedInterval = newValue }
    }

    var pendingCount: Int {
        get { words[0].pendingCount }
        nonmutating set { words[0].pendingCount = newValue }
    }

    /// While asleep: when to look at queues that no event announces.
    var sleepDeadline: UInt64? {
        get { words[0].sleepDeadline == 0 ? nil : words[0].sleepDeadline }
        nonmutating set { words[0].sleepDeadline = newValue ?? 0 }
    }
}

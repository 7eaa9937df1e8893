import CRDMACore
import Endpoint
import Tables
import Verbs

extension VerbsAdapter {
    /// How long completions wait in a queue whose event is for a solicited one only, by a guest that polls nevertheless: at
    /// first, and after a while in which nothing came.
    private static let shortestSolicitedNanoseconds: UInt64 = 1_000_000
    private static let longestSolicitedNanoseconds: UInt64 = 64_000_000

    package func prepareToSleep() -> Bool {
        // With the first look after the sleep, whatever it was that ended it.
        polling.nextCheckNanoseconds = 0
        guard polling.pendingCount == 0, events.isEmpty, results.isEmpty, abandoned.isEmpty else { return false }
        guard armHotQueues() else { return false }
        return lookOnceMore()
    }

    package func nextEvent() -> HostEvent? {
        if !results.isEmpty { takeWorkerResults() }
        return events.next()
    }

    private func armHotQueues() -> Bool {
        var position = 0
        while position < polling.hot.count {
            let place = Int(polling.hot[position])
            guard completionQueues[place].real != nil, completionQueues[place].isWorthPolling else {
                cool(position)
                continue
            }
            if completionQueues[place].owesEvent { return false }
            if !completionQueues[place].wishesEvent, !arm(place) { return false }
            position &+= 1
        }
        return true
    }

    /// What came before a queue was armed makes no event.
    private func lookOnceMore() -> Bool {
        var solicitedQueues = 0
        for position in 0..<polling.hot.count {
            let place = Int(polling.hot[position])
            guard let real = completionQueues[place].real else { continue }
            let found = Int(ibv_poll_cq(real, Int32(PollingState.pendingCapacity), polling.completions))
            if found != 0 {
                keep(found, of: place)
                return false
            }
            completionQueues[place].needsDraining = false
            if completionQueues[place].wishesEvent { solicitedQueues &+= 1 }
        }
        var position = 0
        while position < polling.hot.count {
            if completionQueues[Int(polling.hot[position])].wishesEvent { position &+= 1 } else { cool(position) }
        }
        if solicitedQueues > 0 {
            polling.solicitedInterval = min(
                max(Self.shortestSolicitedNanoseconds, polling.solicitedInterval &* 2),
                Self.longestSolicitedNanoseconds)
            polling.sleepDeadline = polling.nowNanoseconds &+ polling.solicitedInterval
        }
        return true
    }

    /// Keeps completions for the next poll.
    private func keep(_ found: Int, of place: Int) {
        guard found > 0 else { return failQueue(place) }
        completionQueues[place].quietPolls = 0
        polling.solicitedInterval = 0
        for position in 0..<min(found, PollingState.pendingCapacity) {
            guard let completion = take(polling.completions[position], place) else { continue }
            polling.keep(completion)
        }
    }

    /// Gives what was kept, before anything newer.
    func takePending(_ completions: Block<HostCompletion>) -> Int {
        let count = min(polling.pendingCount, completions.count)
        for position in 0..<count { completions[position] = polling.pending[position] }
        polling.dropFirstPending(count)
        return count
    }
}

extension PollingState {
    func keep(_ completion: HostCompletion) {
        guard pendingCount < Self.pendingCapacity else { return }
        pending[pendingCount] = completion
        pendingCount &+= 1
    }

    func dropFirstPending(_ count: Int) {
        guard count > 0 else { return }
        for position in count..<max(count, pendingCount) { pending[position &- count] = pending[position] }
        pendingCount &-= count
    }

    /// Drops completions of a queue pair that is gone.
    func dropPending(of queuePair: UInt32) {
        var kept = 0
        for position in 0..<pendingCount where pending[position].queuePair != queuePair {
            pending[kept] = pending[position]
            kept &+= 1
        }
        pendingCount = kept
    }
}

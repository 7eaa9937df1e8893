import CRDMACore
import Endpoint
import Tables
import Verbs

extension VerbsAdapter {
    /// How often the kernel is asked what is readable, while nobody sleeps.
    private static let checkIntervalNanoseconds: UInt64 = 50_000
    /// Rounds of one poll: full batches of completions that are dropped must not keep it for ever.
    private static let roundsPerPoll = 16

    package func poll(into completions: Block<HostCompletion>, now: UInt64) -> Int {
        polling.nowNanoseconds = now
        polling.sleepDeadline = nil
        if now >= polling.nextCheckNanoseconds || !results.isEmpty { lookAround(now) }
        tearDown()
        var count = takePending(completions)
        for _ in 0..<Self.roundsPerPoll where count < completions.count {
            guard pollHotQueues(completions, &count) else { break }
        }
        return count
    }

    /// Everything that is not a completion queue.
    private func lookAround(_ now: UInt64) {
        polling.nextCheckNanoseconds = now &+ Self.checkIntervalNanoseconds
        sources.visitReady { source, isHungUp in
            switch source {
            case .completions: takeCompletionEvents()
            case .asynchronous: takeAsyncEvents(isHungUp: isHungUp)
            case .worker: takeWorkerResults()
            case .presence: takePresenceEvents()
            }
        }
        if !results.isEmpty { takeWorkerResults() }
        if let look = nextLookNanoseconds, now >= look { lookForDevice() }
        if let look = watchDeadline, now >= look { lookForSilence(now) }
    }

    /// Looks once at every hot queue, or at as many as have their turn. True when some of them may have more.
    private func pollHotQueues(_ completions: Block<HostCompletion>, _ count: inout Int) -> Bool {
        var mayHaveMore = false
        var left = min(polling.hot.count, max(1, limits.queuesPerPoll))
        var position = polling.cursor
        while left > 0, count < completions.count {
            left &-= 1
            if position >= polling.hot.count { position = 0 }
            guard position < polling.hot.count else { break }
            let place = Int(polling.hot[position])
            let room = min(limits.completionsPerQueueTurn, completions.count &- count)
            let found = pollQueue(place, room: room, completions, &count)
            if found == room { mayHaveMore = true }
            if found > 0 || staysHot(place) {
                position &+= 1
            } else {
                cool(position)
            }
        }
        polling.cursor = position
        return mayHaveMore
    }

    /// Takes completions of one queue; returns how many the device had, of which some may have been dropped.
    private func pollQueue(
        _ place: Int, room: Int, _ completions: Block<HostCompletion>, _ count: inout Int
    ) -> Int {
        guard let real = completionQueues[place].real else { return 0 }
        let found = Int(ibv_poll_cq(real, Int32(truncatingIfNeeded: room), polling.completions))
        guard found >= 0 else {
            failQueue(place)
            return 0
        }
        guard found > 0 else {
            endOfQueue(place)
            return 0
        }
        completionQueues[place].quietPolls = 0
        polling.solicitedInterval = 0
        for position in 0..<min(found, room) {
            guard let completion = take(polling.completions[position], place) else { continue }
            completions[count] = completion
            count &+= 1
        }
        return found
    }

    /// What a device's completion means; nil when it is of requests that were forgotten.
    @inline(__always)
    func take(_ completion: ibv_wc, _ queue: Int) -> HostCompletion? {
        let identifier = RequestIdentifier(rawValue: completion.wr_id)
        let place = Int(identifier.queuePair)
        guard place < queuePairs.count, queuePairs[place].real != nil,
            queuePairs[place].generation & RequestIdentifier.generationMask == identifier.generation,
            queuePairs[place].number == completion.qp_num
        else { return nil }
        // What completes stands for all before it that were not signaled.
        let done: UInt32
        if identifier.isReceive {
            let left = queuePairs[place].receiveTail &- identifier.index &- 1
            guard left < queuePairs[place].receiveOutstanding else { return nil }
            done = queuePairs[place].receiveOutstanding &- left
            queuePairs[place].receiveOutstanding = left
        } else {
            let left = queuePairs[place].sendTail &- identifier.index &- 1
            guard left < queuePairs[place].sendOutstanding else { return nil }
            done = queuePairs[place].sendOutstanding &- left
            queuePairs[place].sendOutstanding = left
        }
        completionQueues[queue].outstanding &-= UInt64(done)
        let isSuccess = completion.status == IBV_WC_SUCCESS
        // An error counts as solicited (IBA 11.4.2.2), which not every device observes.
        if completionQueues[queue].wishesEvent, !isSuccess { oweEvent(queue) }
        var result = HostCompletion()
        result.queuePair = identifier.queuePair
        result.isReceive = identifier.isReceive
        result.index = identifier.index
        result.status = completion.status.rawValue
        result.opcode = completion.opcode.rawValue
        result.vendorError = completion.vendor_err
        result.byteLength = completion.byte_len
        result.immediate = completion.imm_data
        result.sourceQueuePair = completion.src_qp
        result.flags = completion.wc_flags
        return result
    }

    /// A look found nothing.
    private func endOfQueue(_ place: Int) {
        completionQueues[place].needsDraining = false
        completionQueues[place].quietPolls &+= 1
        guard completionQueues[place].owesEvent else { return }
        completionQueues[place].owesEvent = false
        events.append(.solicited(queue: UInt32(truncatingIfNeeded: place)))
    }

    /// Whether an empty queue is looked at again. A quiet one is armed first, looked at once more, and then waited for.
    private func staysHot(_ place: Int) -> Bool {
        guard completionQueues[place].real != nil, completionQueues[place].isWorthPolling else { return false }
        guard completionQueues[place].quietPolls >= limits.idlePollsPerQueue,
            polling.hot.count > limits.alwaysPolledQueues, !completionQueues[place].wishesEvent
        else { return true }
        if completionQueues[place].isArmed { return false }
        _ = arm(place)
        return true
    }

    /// Takes a queue out of the list.
    func cool(_ position: Int) {
        completionQueues[Int(polling.hot[position])].isHot = false
        polling.hot.removeSwapping(at: position)
    }

    /// The device's queue cannot be read any more.
    func failQueue(_ place: Int) {
        completionQueues[place].outstanding = 0
        completionQueues[place].needsDraining = false
        events.append(.completionQueueError(UInt32(truncatingIfNeeded: place)))
    }
}

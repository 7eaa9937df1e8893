import CVRDMAABI
import SharedMemory
import Verbs

/// Requests that cannot be executed now: the requester's timers (IBA 9.7.5.2.8, 9.7.6.1.3).
extension Device {
    /// How often a wait without an end looks whether the peer is still there.
    private static var endlessWaitNanoseconds: UInt64 { 100_000_000 }
    private static var infiniteRetries: UInt8 { 7 }

    /// Whether the responder has a receive work request. An index out of range ends the responder.
    @inline(__always)
    func hasReceive(_ peer: UInt32) -> Bool {
        let head = queuePairs[peer].receiveHead
        if queuePairs[peer].knownReceiveTail != head { return true }
        guard queuePairs[peer].receive.entryCount > 0 else { return false }
        let tail = queuePairs[peer].receive.tail.acquire()
        guard tail &- head <= queuePairs[peer].receive.entryCount else {
            breakQueuePair(peer, "receive queue index out of range")
            return false
        }
        queuePairs[peer].knownReceiveTail = tail
        return tail != head
    }

    /// The peer has nothing posted: waits until it has, as long as its RNR timer and this side's retries allow.
    func waitForReceive(_ index: UInt32, _ wqe: vrdma_send_wqe, peer: UInt32) -> RequestOutcome {
        guard queuePairs[peer].state != .error else { return waitForAnswer(index) }
        let retries = queuePairs[index].attributes.rnr_retry
        guard retries > 0 else { return fail(index, wqe, .receiverNotReadyRetryExceeded) }
        queuePairs[peer].waiterForReceive = index &+ 1
        queuePairs[peer].receive.doorbellWanted.exchange(1)
        guard !hasReceive(peer) else {
            queuePairs[peer].waiterForReceive = 0
            queuePairs[peer].receive.doorbellWanted.storeRelaxed(0)
            // It came while its absence was being noted: the next turn takes it.
            return .unfinished
        }
        let timer = Timers.receiverNotReadyNanoseconds(encoded: queuePairs[peer].attributes.min_rnr_timer)
        let wait = retries >= Self.infiniteRetries ? Self.endlessWaitNanoseconds : timer &* UInt64(retries)
        beginWaiting(index, .receiverNotReady, nanoseconds: wait)
        return .blocked
    }

    /// Nobody answers: tries again with each ACK timeout, until the retries are used up.
    func waitForAnswer(_ index: UInt32) -> RequestOutcome {
        // A queue pair that is its own peer may just have ended with it.
        guard queuePairs[index].state != .error else { return .failed }
        queuePairs[index].retriesLeft = queuePairs[index].attributes.retry_count
        beginWaiting(index, .noAnswer, nanoseconds: answerTimeout(index))
        return .blocked
    }

    private func answerTimeout(_ index: UInt32) -> UInt64 {
        Timers.ackTimeoutNanoseconds(encoded: queuePairs[index].attributes.timeout) ?? Self.endlessWaitNanoseconds
    }

    private func beginWaiting(_ index: UInt32, _ wait: QueuePair.Wait, nanoseconds: UInt64) {
        queuePairs[index].wait = wait
        let deadline = turn.nowNanoseconds &+ nanoseconds
        queuePairs[index].waitDeadlineNanoseconds = deadline
        turn.nextDeadlineNanoseconds = min(turn.nextDeadlineNanoseconds, deadline)
        if !queuePairs[index].isListedWaiting {
            queuePairs[index].isListedWaiting = true
            queuePairs[index].waitingPosition = UInt32(truncatingIfNeeded: waiting.count)
            waiting.append(index)
        }
    }

    /// Serves the timers that are due and finds the next one.
    func checkWaiting() -> Int {
        var due = 0
        var position = 0
        turn.nextDeadlineNanoseconds = .max
        while position < waiting.count {
            let index = waiting[position]
            if queuePairs[index].wait != .none, queuePairs[index].waitDeadlineNanoseconds <= turn.nowNanoseconds {
                due &+= 1
                timerExpired(index)
            }
            if queuePairs[index].wait == .none {
                queuePairs[index].isListedWaiting = false
                unlistWaiting(at: UInt32(truncatingIfNeeded: position))
            } else {
                turn.nextDeadlineNanoseconds = min(
                    turn.nextDeadlineNanoseconds, queuePairs[index].waitDeadlineNanoseconds)
                position &+= 1
            }
        }
        return due
    }

    /// Takes the queue pair at a position out of the list of waiting ones.
    func unlistWaiting(at position: UInt32) {
        waiting.removeSwapping(at: Int(position))
        if Int(position) < waiting.count { queuePairs[waiting[Int(position)]].waitingPosition = position }
    }

    private func timerExpired(_ index: UInt32) {
        let wqe = queuePairs[index].send.sendEntry(queuePairs[index].sendHead)
        let isAnswered = isBound(index) || bind(index)
        switch queuePairs[index].wait {
        case .none: break
        case .receiverNotReady where !isAnswered:
            // The peer went away while this side waited for its receive.
            _ = waitForAnswer(index)
        case .receiverNotReady:
            if hasReceive(queuePairs[index].peer) {
                resume(index)
            } else if queuePairs[index].wait == .none {
                // The look ended this queue pair: it is its own peer, and its receive queue is broken.
                break
            } else if queuePairs[index].attributes.rnr_retry >= Self.infiniteRetries {
                beginWaiting(index, .receiverNotReady, nanoseconds: Self.endlessWaitNanoseconds)
            } else {
                _ = fail(index, wqe, .receiverNotReadyRetryExceeded)
            }
        case .noAnswer where isAnswered:
            resume(index)
        case .noAnswer:
            if queuePairs[index].attributes.timeout == 0 {
                beginWaiting(index, .noAnswer, nanoseconds: answerTimeout(index))
            } else if queuePairs[index].retriesLeft > 0 {
                queuePairs[index].retriesLeft &-= 1
                beginWaiting(index, .noAnswer, nanoseconds: answerTimeout(index))
            } else {
                _ = fail(index, wqe, .retryExceeded)
            }
        }
    }

    private func resume(_ index: UInt32) {
        queuePairs[index].wait = .none
        activate(index)
    }
}

import CVRDMAABI
import SharedMemory
import Verbs

/// How requests and queue pairs end in error (IBA 9.9.2, 9.9.3, 10.3.1.7).
extension Device {
    /// Ends the request at the head of a send queue with an error: its completion comes whether it was signalled or
    /// not, and the queue pair goes into the error state.
    ///
    /// - Parameter atPeer: what ends at the responder. It comes after the requester's completion, because a queue pair
    ///   may be its own peer.
    func fail(
        _ index: UInt32, _ wqe: vrdma_send_wqe, _ status: WorkCompletionStatus, atPeer: () -> Void = {}
    ) -> RequestOutcome {
        guard queuePairs[index].state != .error, queuePairs[index].state != .reset else { return .failed }
        completeSendInError(index, wqe, status)
        enterError(index)
        atPeer()
        return .failed
    }

    /// Ends the responder's current receive with an error.
    func failReceive(_ peer: UInt32, _ wqe: vrdma_receive_wqe, _ status: WorkCompletionStatus) {
        completeReceiveInError(peer, wqe, status)
        enterError(peer)
    }

    /// Ends a responder where no receive work request is concerned: an asynchronous event says why.
    func failResponder(_ peer: UInt32, _ event: AsyncEventType) {
        enterError(peer)
        raise(event, queuePair: peer)
    }

    /// Ends a queue pair whose shared memory breaks the rules.
    func breakQueuePair(_ index: UInt32, _ reason: String) {
        recordViolation(
            guest: queuePairs[index].guest, "queue pair \(queuePairs[index].number): \(reason)")
        // What the queues hold is not to be believed any more: nothing is flushed from them.
        queuePairs[index].sendHead = queuePairs[index].send.tail.acquire()
        queuePairs[index].receiveHead =
            queuePairs[index].receive.entryCount > 0 ? queuePairs[index].receive.tail.acquire() : 0
        queuePairs[index].knownReceiveTail = queuePairs[index].receiveHead
        abandonHostPath(index)
        enterError(index)
        raise(.queuePairFatal, queuePair: index)
    }

    /// The change to the error state; outstanding work requests are flushed in the following turns.
    func enterError(_ index: UInt32) {
        if queuePairs[index].path == .host, queuePairs[index].state != .error { failOnHost(index) }
        setState(index, .error)
        queuePairs[index].wait = .none
        queuePairs[index].bytesDone = 0
        queuePairs[index].receive.doorbellWanted.storeRelaxed(queuePairs[index].receive.entryCount > 0 ? 1 : 0)
        activate(index)
    }

    /// Every change of state passes here, so that no peer goes on with what it knew before.
    func setState(_ index: UInt32, _ state: QueuePairState) {
        queuePairs[index].state = state
        queuePairs[index].attributes.qp_state = state.rawValue
        queuePairs[index].epoch &+= 1
    }

    /// Completes outstanding work requests with "flushed", in order. False when there are none.
    func flush(_ index: UInt32) -> Bool {
        var budget = limits.workRequestsPerTurn
        var work = false
        let pendingSends = queuePairs[index].send.tail.acquire() &- queuePairs[index].sendHead
        guard pendingSends <= queuePairs[index].send.entryCount else {
            breakQueuePair(index, "send queue index out of range")
            return true
        }
        turn.requestsLeft &-= Int(min(pendingSends, UInt32(budget)))
        for _ in 0..<min(pendingSends, UInt32(budget)) {
            let wqe = queuePairs[index].send.sendEntry(queuePairs[index].sendHead)
            completeSendInError(index, wqe, .flushError)
            budget &-= 1
            work = true
        }
        guard queuePairs[index].receive.entryCount > 0 else { return work }
        let pendingReceives = queuePairs[index].receive.tail.acquire() &- queuePairs[index].receiveHead
        guard pendingReceives <= queuePairs[index].receive.entryCount else {
            breakQueuePair(index, "receive queue index out of range")
            return true
        }
        turn.requestsLeft &-= Int(min(pendingReceives, UInt32(budget)))
        for _ in 0..<min(pendingReceives, UInt32(budget)) {
            let wqe = queuePairs[index].receive.receiveEntry(queuePairs[index].receiveHead)
            completeReceiveInError(index, wqe, .flushError)
            work = true
        }
        return work
    }

    func completeSendInError(_ index: UInt32, _ wqe: vrdma_send_wqe, _ status: WorkCompletionStatus) {
        let opcode = WorkRequestOpcode(rawValue: wqe.opcode)?.completionOpcode ?? .send
        complete(
            queuePairs[index].sendCompletionQueue,
            errorCompletion(
                index, wrID: wqe.wr_id, status, opcode, wqeIndex: queuePairs[index].sendHead),
            isSolicited: true)
        queuePairs[index].sendHead &+= 1
        queuePairs[index].send.head.release(queuePairs[index].sendHead)
    }

    private func completeReceiveInError(_ index: UInt32, _ wqe: vrdma_receive_wqe, _ status: WorkCompletionStatus) {
        complete(
            queuePairs[index].receiveCompletionQueue,
            errorCompletion(
                index, wrID: wqe.wr_id, status, .receive, wqeIndex: queuePairs[index].receiveHead),
            isSolicited: true)
        queuePairs[index].receiveHead &+= 1
        queuePairs[index].receive.head.release(queuePairs[index].receiveHead)
    }

    private func errorCompletion(
        _ index: UInt32, wrID: UInt64, _ status: WorkCompletionStatus, _ opcode: WorkCompletionOpcode, wqeIndex: UInt32
    ) -> vrdma_cqe {
        vrdma_cqe(
            wr_id: wrID, status: status.rawValue, opcode: opcode.rawValue, vendor_error: status.rawValue,
            byte_length: 0, immediate: 0, qp_number: queuePairs[index].number.rawValue, source_qp: 0, flags: 0,
            slot: queuePairs[index].slot, wqe_index: wqeIndex, timestamp_nanoseconds: turn.nowNanoseconds,
            reserved: 0, sequence: 0)
    }
}

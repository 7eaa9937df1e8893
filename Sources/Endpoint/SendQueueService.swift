import CVRDMAABI
import SharedMemory
import Verbs

/// How the execution of a request ended for this turn.
enum RequestOutcome {
    /// All its effects are there.
    case completed
    /// It goes on in the next turn.
    case unfinished
    /// The send queue stands still until a timer or a doorbell.
    case blocked
    /// The queue pair is in the error state.
    case failed
}

/// Takes requests from send queues in order.
extension Device {
    /// Executes what the limits of a turn permit. False when the queue was empty.
    func serveSendQueue(_ index: UInt32) -> Bool {
        let pending = queuePairs[index].send.tail.acquire() &- queuePairs[index].sendHead
        guard pending > 0 else { return false }
        guard pending <= queuePairs[index].send.entryCount else {
            breakQueuePair(index, "send queue index out of range")
            return true
        }
        let budget = min(Int(pending), limits.workRequestsPerTurn)
        var requestsLeft = budget
        var bytesLeft = limits.bytesPerTurn
        while requestsLeft > 0, bytesLeft > 0, case .completed = executeRequest(index, &bytesLeft) {
            requestsLeft &-= 1
            // Its own completion may have ended the queue pair.
            if queuePairs[index].state != .readyToSend { break }
        }
        turn.requestsLeft &-= max(1, budget &- requestsLeft)
        let bytesDone = limits.bytesPerTurn &- bytesLeft
        turn.bytesLeft = turn.bytesLeft > bytesDone ? turn.bytesLeft &- bytesDone : 0
        return true
    }

    /// In the SQD state no request begins; one that had begun is finished, then the drain is reported.
    func finishDraining(_ index: UInt32) -> Bool {
        guard queuePairs[index].isDraining else { return false }
        if queuePairs[index].sendHead != queuePairs[index].drainEnd {
            var bytesLeft = limits.bytesPerTurn
            _ = executeRequest(index, &bytesLeft)
            return true
        }
        queuePairs[index].isDraining = false
        if queuePairs[index].attributes.enable_sqd_async_notify != 0 {
            raise(.sendQueueDrained, queuePair: index)
        }
        return true
    }

    private func executeRequest(_ index: UInt32, _ bytesLeft: inout UInt64) -> RequestOutcome {
        let wqe = queuePairs[index].send.sendEntry(queuePairs[index].sendHead)
        let isInline = UInt32(wqe.flags) & VRDMA_SEND_INLINE.rawValue != 0
        guard let opcode = WorkRequestOpcode(rawValue: wqe.opcode),
            UInt32(wqe.sge_count) <= queuePairs[index].maxSendElements,
            !isInline || (wqe.inline_bytes <= queuePairs[index].maxInlineBytes && opcode.permitsInline)
        else {
            return fail(index, wqe, .localQueuePairOperationError)
        }
        if opcode.isAtomic { return executeAtomic(index, wqe, opcode) }
        if opcode == .rdmaRead { return executeRead(index, wqe, &bytesLeft) }
        return executeTransfer(index, wqe, opcode, isInline: isInline, &bytesLeft)
    }

    /// The requester's end of a request: its completion, then the consumer index.
    @inline(__always)
    func finish(
        _ index: UInt32, _ wqe: vrdma_send_wqe, _ opcode: WorkRequestOpcode, byteCount: UInt64, packets: UInt32
    ) {
        queuePairs[index].bytesDone = 0
        queuePairs[index].sendPSN = queuePairs[index].sendPSN.advanced(by: packets)
        queuePairs[index].requestCount &+= 1
        queuePairs[index].byteCount &+= byteCount
        if queuePairs[index].signalsAll || UInt32(wqe.flags) & VRDMA_SEND_SIGNALED.rawValue != 0 {
            complete(
                queuePairs[index].sendCompletionQueue,
                vrdma_cqe(
                    wr_id: wqe.wr_id, status: WorkCompletionStatus.success.rawValue,
                    opcode: opcode.completionOpcode.rawValue, vendor_error: 0,
                    byte_length: UInt32(truncatingIfNeeded: byteCount), immediate: 0,
                    qp_number: queuePairs[index].number.rawValue, source_qp: 0, flags: 0,
                    slot: queuePairs[index].slot, wqe_index: queuePairs[index].sendHead,
                    timestamp_nanoseconds: turn.nowNanoseconds, reserved: 0, sequence: 0),
                isSolicited: false)
        }
        queuePairs[index].sendHead &+= 1
        queuePairs[index].send.psn.storeRelaxed(queuePairs[index].sendPSN.rawValue)
        queuePairs[index].send.head.release(queuePairs[index].sendHead)
    }

    /// Notes in shared memory what is about to be done, before a request whose effects must not happen twice.
    @inline(__always)
    func recordProgress(_ index: UInt32, peer: UInt32, atomicOriginal: UInt64 = 0) {
        queuePairs[index].send.recordProgress(
            vrdma_progress(
                stage: VRDMA_STAGE_DATA.rawValue, index: queuePairs[index].sendHead,
                bytes_done: queuePairs[index].bytesDone, atomic_original: atomicOriginal,
                receive_index: queuePairs[peer].receiveHead,
                receive_cq_tail: completionQueues[queuePairs[peer].receiveCompletionQueue].tail,
                send_cq_tail: completionQueues[queuePairs[index].sendCompletionQueue].tail,
                reserved: (0, 0, 0, 0, 0, 0, 0)))
    }
}

extension WorkRequestOpcode {
    /// Inline data is offered for the operations that carry data to the peer.
    var permitsInline: Bool { self != .rdmaRead && !isAtomic }
}

import CVRDMAABI
import LinuxIO
import SharedMemory
import Verbs

/// Completions and their notifications (IBA 10.8, 11.4.2).
extension Device {
    /// Adds a completion to a queue. A queue that is full breaks (IBA 11.2.8): nothing is ever overwritten.
    @inline(__always)
    func complete(_ queue: UInt32, _ completion: vrdma_cqe, isSolicited: Bool) {
        guard !completionQueues[queue].isBroken else { return }
        let tail = completionQueues[queue].tail
        let entryCount = completionQueues[queue].ring.entryCount
        if tail &- completionQueues[queue].knownHead >= entryCount {
            let head = completionQueues[queue].ring.head.acquire()
            // A head that ran past the tail is as useless as one that never moved.
            guard tail &- head < entryCount else {
                overrun(queue)
                return
            }
            completionQueues[queue].knownHead = head
        }
        completionQueues[queue].ring.publish(completion, at: tail)
        completionQueues[queue].tail = tail &+ 1
        completionQueues[queue].ring.tail.storeRelaxed(tail &+ 1)
        if isSolicited || completion.status != WorkCompletionStatus.success.rawValue {
            completionQueues[queue].sawSolicited = true
        }
        if !completionQueues[queue].isDirty {
            completionQueues[queue].isDirty = true
            dirty.append(queue)
        }
    }

    /// Looks, once in a turn for all its completions, who wants to be woken by them.
    func notifyCompletionQueues() {
        // Orders the completions before the look at the arm words; applications arm, fence, then poll.
        SharedMemoryFence.full()
        for position in 0..<dirty.count {
            let queue = dirty[position]
            guard completionQueues.isLive(queue), completionQueues[queue].isDirty else { continue }
            completionQueues[queue].isDirty = false
            let arm = completionQueues[queue].ring.arm.relaxed()
            guard arm != completionQueues[queue].armServed else {
                completionQueues[queue].sawSolicited = false
                continue
            }
            let isWanted =
                arm & 3 == VRDMA_CQ_ARM_ANY
                || (arm & 3 == VRDMA_CQ_ARM_SOLICITED && completionQueues[queue].sawSolicited)
            completionQueues[queue].sawSolicited = false
            if isWanted {
                completionQueues[queue].armServed = arm
                completionQueues[queue].ring.armServed.storeRelaxed(arm)
                sendCompletionEvent(queue)
            }
        }
        dirty.removeAll()
    }

    /// The socket of a completion queue's channel; nil when it has none, or is gone.
    package func completionSocket(ofQueue queue: UInt32) -> FileDescriptor? {
        guard completionQueues.isLive(queue) else { return nil }
        return guests[completionQueues[queue].guest]?.channels[completionQueues[queue].channel]?.socket
    }

    private func sendCompletionEvent(_ queue: UInt32) {
        guard let socket = completionSocket(ofQueue: queue) else { return }
        outputs.append(
            .completionEvent(
                socket: socket, vrdma_completion_event(cq: queue, slot: completionQueues[queue].slot)))
    }

    /// The receiver's end of a SEND or of a WRITE with immediate data.
    @inline(__always)
    func finishReceive(
        _ peer: UInt32, _ receiveWQE: vrdma_receive_wqe, _ sendWQE: vrdma_send_wqe, _ opcode: WorkRequestOpcode,
        byteCount: UInt64, sourceNumber: QueuePairNumber
    ) {
        let isWrite = opcode == .rdmaWriteWithImmediate
        complete(
            queuePairs[peer].receiveCompletionQueue,
            vrdma_cqe(
                wr_id: receiveWQE.wr_id, status: WorkCompletionStatus.success.rawValue,
                opcode: (isWrite ? WorkCompletionOpcode.receiveRDMAWithImmediate : .receive).rawValue, vendor_error: 0,
                byte_length: UInt32(truncatingIfNeeded: byteCount),
                immediate: opcode.hasImmediate ? sendWQE.immediate : 0,
                qp_number: queuePairs[peer].number.rawValue, source_qp: sourceNumber.rawValue,
                flags: opcode.hasImmediate ? VRDMA_WC_FLAG_WITH_IMM : 0, slot: queuePairs[peer].slot,
                wqe_index: queuePairs[peer].receiveHead, timestamp_nanoseconds: turn.nowNanoseconds, reserved: 0,
                sequence: 0),
            isSolicited: UInt32(sendWQE.flags) & VRDMA_SEND_SOLICITED.rawValue != 0)
        queuePairs[peer].receiveHead &+= 1
        queuePairs[peer].receive.head.release(queuePairs[peer].receiveHead)
    }

    /// A completion queue ran over: it and all queue pairs that use it are in error (IBA 11.6.3.1).
    func overrun(_ queue: UInt32) {
        guard !completionQueues[queue].isBroken else { return }
        completionQueues[queue].isBroken = true
        raise(
            .completionQueueError, context: completionQueues[queue].context, element: queue,
            slot: completionQueues[queue].slot)
        for index in contextDetails[completionQueues[queue].context]?.queuePairs ?? []
        where queuePairs[index].sendCompletionQueue == queue || queuePairs[index].receiveCompletionQueue == queue {
            guard queuePairs[index].state != .reset, queuePairs[index].state != .error else { continue }
            enterError(index)
            raise(.queuePairFatal, queuePair: index)
        }
    }

    func queuePairIndices(ofGuest guest: UInt32) -> [UInt32] {
        guard let guest = guests[guest] else { return [] }
        return guest.queuePairNumbers.numbers.compactMap { guest.queuePairNumbers[$0] }
    }
}

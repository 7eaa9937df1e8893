import CVRDMAABI
import SharedMemory
import Tables
import Verbs

/// Completions of the host adapter's device, on their way to guests.
extension Device {
    /// Takes a batch of completions. Returns how many there were.
    func takeHostCompletions(_ host: HostState) -> Int {
        let count = host.adapter.poll(into: host.completions, now: turn.nowNanoseconds)
        for position in 0..<min(count, host.completions.count) { deliver(host.completions[position]) }
        return count
    }

    /// Takes what there is now; more than all queues hold cannot be there.
    func takeAllHostCompletions(_ host: HostState) {
        for _ in 0..<Self.batchesAtOnce where takeHostCompletions(host) < host.completions.count { break }
    }

    private static var batchesAtOnce: Int { 256 }

    private func deliver(_ completion: HostCompletion) {
        let index = completion.queuePair
        guard queuePairs.isLive(index), queuePairs[index].path == .host else { return }
        let isSuccess = completion.status == WorkCompletionStatus.success.rawValue
        // Before the completion, so that whoever sees it finds the state changed.
        if !isSuccess, queuePairs[index].state != .error {
            failWithHost(index)
            guard queuePairs[index].path == .host else { return }
        }
        if completion.isReceive {
            deliverReceive(completion, index, isSuccess)
        } else {
            deliverSend(completion, index, isSuccess)
        }
    }

    private func deliverSend(_ completion: HostCompletion, _ index: UInt32, _ isSuccess: Bool) {
        let head = queuePairs[index].sendHead
        // The device completes in order, so this one stands for all before it.
        let done = completion.index &- head &+ 1
        guard done > 0, done <= queuePairs[index].sendForwarded &- head else { return }
        let wqe = queuePairs[index].send.sendEntry(completion.index)
        var cqe = vrdma_cqe()
        cqe.wr_id = wqe.wr_id
        cqe.status = completion.status
        cqe.opcode = completion.opcode
        cqe.byte_length = completion.byteLength
        if !isSuccess {
            cqe.opcode = (WorkRequestOpcode(rawValue: wqe.opcode)?.completionOpcode ?? .send).rawValue
            cqe.byte_length = 0
            if queuePairs[index].refusedStatus != .success, queuePairs[index].refusedIndex == completion.index,
                completion.status != WorkCompletionStatus.flushError.rawValue
            {
                cqe.status = queuePairs[index].refusedStatus.rawValue
            }
        }
        queuePairs[index].requestCount &+= UInt64(done)
        queuePairs[index].byteCount &+= isSuccess ? UInt64(completion.byteLength) : 0
        // Some are signaled at the device for the endpoint's sake.
        let isWanted =
            !isSuccess || queuePairs[index].signalsAll || UInt32(wqe.flags) & VRDMA_SEND_SIGNALED.rawValue != 0
        if isWanted { publish(cqe, completion, index, on: queuePairs[index].sendCompletionQueue) }
        queuePairs[index].sendHead = completion.index &+ 1
        queuePairs[index].send.head.release(completion.index &+ 1)
        if queuePairs[index].refusedStatus != .success, !isHeldByRefusal(index) { activate(index) }
    }

    private func deliverReceive(_ completion: HostCompletion, _ index: UInt32, _ isSuccess: Bool) {
        let head = queuePairs[index].receiveHead
        let done = completion.index &- head &+ 1
        guard done > 0, done <= queuePairs[index].receiveForwarded &- head else { return }
        let wqe = queuePairs[index].receive.receiveEntry(completion.index)
        var cqe = vrdma_cqe()
        cqe.wr_id = wqe.wr_id
        cqe.status = completion.status
        cqe.opcode = isSuccess ? completion.opcode : WorkCompletionOpcode.receive.rawValue
        if isSuccess {
            cqe.byte_length = completion.byteLength
            cqe.flags = completion.flags & VRDMA_WC_FLAG_WITH_IMM
            cqe.immediate = cqe.flags != 0 ? completion.immediate : 0
            cqe.source_qp = sourceNumber(completion.sourceQueuePair, peerGuest: queuePairs[index].peerGuest)
        }
        publish(cqe, completion, index, on: queuePairs[index].receiveCompletionQueue)
        queuePairs[index].receiveHead = completion.index &+ 1
        queuePairs[index].receive.head.release(completion.index &+ 1)
    }

    /// The number of a peer, as its guest knows it where it is one of this endpoint's.
    private func sourceNumber(_ number: UInt32, peerGuest: UInt32) -> UInt32 {
        guard peerGuest != 0, let found = host?.numbers.virtual(of: number), found.guest == peerGuest else {
            return number
        }
        return found.number
    }

    /// Adds what all completions have. Whether one was solicited only the device knows, which says so by an event.
    @inline(__always)
    private func publish(_ cqe: vrdma_cqe, _ completion: HostCompletion, _ index: UInt32, on queue: UInt32) {
        var cqe = cqe
        cqe.vendor_error = completion.vendorError
        cqe.qp_number = queuePairs[index].number.rawValue
        cqe.slot = queuePairs[index].slot
        cqe.wqe_index = completion.index
        cqe.timestamp_nanoseconds = turn.nowNanoseconds
        complete(queue, cqe, isSolicited: false)
    }
}

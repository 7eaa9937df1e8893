import CLinux
import CVRDMAABI
import Verbs

extension UnsafeMutablePointer where Pointee == ProviderCompletionQueue {
    /// Polling of a device that is gone: what is outstanding completes as flushed, in the order in which it was posted.
    @usableFromInline
    func pollFlushed(
        _ maximum: Int,
        _ body: (Int, UnsafePointer<vrdma_cqe>, UnsafeMutablePointer<ProviderQueuePair>) -> Void
    ) -> Int {
        clinux_spin_lock(pointee.lock)
        defer { clinux_spin_unlock(pointee.lock) }
        var count = 0
        var queuePair = pointee.firstSender
        while let current = queuePair {
            while count < maximum, var completion = current.nextFlushedSend() {
                body(count, &completion, current)
                count += 1
            }
            queuePair = current.pointee.senderLinks.next
        }
        queuePair = pointee.firstReceiver
        while let current = queuePair {
            while count < maximum, var completion = current.nextFlushedReceive() {
                body(count, &completion, current)
                count += 1
            }
            queuePair = current.pointee.receiverLinks.next
        }
        return count
    }
}

extension UnsafeMutablePointer where Pointee == ProviderQueuePair {
    /// The completion of the oldest send request that has none, and frees it.
    func nextFlushedSend() -> vrdma_cqe? {
        let tail = pointee.send.tail.acquire()
        var index = pointee.send.freed.relaxed()
        // What the endpoint took without a completion was done and not signalled.
        let taken = clinux_load_acquire32(pointee.send.header + 128)
        if taken &- index <= tail &- index { index = taken }
        guard index != tail else { return nil }
        let request = pointee.send.entry(index).assumingMemoryBound(to: vrdma_send_wqe.self).pointee
        pointee.send.freed.release(index &+ 1)
        let opcode = WorkRequestOpcode(rawValue: request.opcode)?.completionOpcode ?? .send
        return flushed(request.wr_id, opcode, index)
    }

    /// The completion of the oldest receive request that has none, and frees it.
    func nextFlushedReceive() -> vrdma_cqe? {
        let tail = pointee.receive.tail.acquire()
        let index = pointee.receive.freed.relaxed()
        guard index != tail else { return nil }
        let request = pointee.receive.entry(index).assumingMemoryBound(to: vrdma_receive_wqe.self).pointee
        pointee.receive.freed.release(index &+ 1)
        return flushed(request.wr_id, .receive, index)
    }

    private func flushed(_ identifier: UInt64, _ opcode: WorkCompletionOpcode, _ index: UInt32) -> vrdma_cqe {
        var completion = vrdma_cqe()
        completion.wr_id = identifier
        completion.status = WorkCompletionStatus.flushError.rawValue
        completion.opcode = opcode.rawValue
        completion.qp_number = pointee.number
        completion.slot = pointee.slot
        completion.wqe_index = index
        return completion
    }
}

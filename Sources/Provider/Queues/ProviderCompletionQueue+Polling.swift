import CLinux
import CVRDMAABI

extension UnsafeMutablePointer where Pointee == ProviderCompletionQueue {
    /// Takes up to `maximum` completions, oldest first, and gives each with its number in this call and its queue pair.
    ///
    /// `body` runs under the queue's lock: it copies what it needs, and neither posts nor polls. A call that finds
    /// nothing may give the processor away. With a device that is gone, everything outstanding completes with
    /// `IBV_WC_WR_FLUSH_ERR`.
    @inlinable
    package func poll(
        _ maximum: Int,
        _ body: (Int, UnsafePointer<vrdma_cqe>, UnsafeMutablePointer<ProviderQueuePair>) -> Void
    ) -> Int {
        var count = 0
        clinux_spin_lock(&pointee.lock)
        var head = pointee.head
        while count < maximum {
            let place = pointee.entry(head)
            guard clinux_load_acquire32(place + 60) == head &+ 1 else { break }
            head = head &+ 1
            let completion = UnsafePointer(place.assumingMemoryBound(to: vrdma_cqe.self))
            guard let queuePair = pointee.core.pointee.queuePairs.lookup(completion.pointee.slot),
                queuePair.pointee.number == completion.pointee.qp_number
            else { continue }
            queuePair.release(completion.pointee)
            body(count, completion, queuePair)
            count = count &+ 1
        }
        if head != pointee.head {
            pointee.head = head
            pointee.emptyPolls = 0
            clinux_store_release32(pointee.header, head)
        }
        clinux_spin_unlock(&pointee.lock)
        if count == 0, maximum > 0, standsStill() { count = pollFlushed(maximum, body) }
        return count
    }

    /// Asks for one event on the completion channel with the next completion, or only with the next one that is
    /// solicited or an error (ibv_req_notify_cq(3)).
    @inlinable
    package func arm(solicitedOnly: Bool) {
        clinux_spin_lock(&pointee.lock)
        let kind = solicitedOnly ? VRDMA_CQ_ARM_SOLICITED : VRDMA_CQ_ARM_ANY
        pointee.arm = ((pointee.arm >> 2 &+ 1) << 2) | kind
        clinux_exchange32(pointee.header + 4, pointee.arm)
        clinux_fence_after_exchange()
        clinux_spin_unlock(&pointee.lock)
    }
}

extension UnsafeMutablePointer where Pointee == ProviderQueuePair {
    /// Frees the entry of a completion, and all before it.
    @inlinable
    func release(_ completion: vrdma_cqe) {
        let freed = completion.wqe_index &+ 1
        // The opcodes of receive completions start at 128 (enum ibv_wc_opcode).
        if completion.opcode & 128 == 0 {
            clinux_store_release32(&pointee.send.freed, freed)
        } else {
            clinux_store_release32(&pointee.receive.freed, freed)
        }
    }
}

import CLinux
import CVRDMAABI
import SharedMemory

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
        clinux_spin_lock(pointee.lock)
        var head = pointee.head.relaxed()
        // Room in this queue is given back before the entries of the requests: a program that posts into the latter must
        // find room for the completions. So the last entry of a run of completions of one queue waits for the head.
        var freedWord: UnsafeMutableRawPointer?
        var freed: UInt32 = 0
        while count < maximum {
            let place = pointee.entry(head)
            guard clinux_load_acquire32(place + 60) == head &+ 1 else { break }
            let completion = UnsafePointer(place.assumingMemoryBound(to: vrdma_cqe.self))
            guard let queuePair = pointee.core.pointee.queuePairs.lookup(completion.pointee.slot),
                queuePair.pointee.number == completion.pointee.qp_number
            else {
                head = head &+ 1
                continue
            }
            let nextWord = queuePair.freedWord(opcode: completion.pointee.opcode)
            if nextWord != freedWord {
                publish(head: head, freedWord, freed)
                freedWord = nextWord
            }
            freed = completion.pointee.wqe_index &+ 1
            body(count, completion, queuePair)
            head = head &+ 1
            count = count &+ 1
        }
        publish(head: head, freedWord, freed)
        clinux_spin_unlock(pointee.lock)
        if count == 0, maximum > 0, standsStill() { count = pollFlushed(maximum, body) }
        return count
    }

    /// Asks for one event on the completion channel with the next completion, or only with the next one that is
    /// solicited or an error (ibv_req_notify_cq(3)).
    ///
    /// Stores the wish. For a queue whose `armsByCommand` is true, `ProviderContext.armSolicited` does the rest of one for a
    /// solicited completion.
    ///
    /// - Returns: the wish is for a solicited completion only; false when one for any was not answered yet.
    @inlinable
    @discardableResult
    package func arm(solicitedOnly: Bool) -> Bool {
        clinux_spin_lock(pointee.lock)
        let previous = pointee.armed.relaxed()
        // A wish for any completion that was not answered yet is not weakened by one for a solicited one (IBA 11.4.2.2).
        let wantsAny = previous & 3 == VRDMA_CQ_ARM_ANY && previous != clinux_load_relaxed32(pointee.header + 68)
        let kind = solicitedOnly && !wantsAny ? VRDMA_CQ_ARM_SOLICITED : VRDMA_CQ_ARM_ANY
        let value = ((previous >> 2 &+ 1) << 2) | kind
        pointee.armed.storeRelaxed(value)
        clinux_exchange32(pointee.header + 4, value)
        clinux_fence_after_exchange()
        clinux_spin_unlock(pointee.lock)
        return kind == VRDMA_CQ_ARM_SOLICITED
    }
}

extension UnsafeMutablePointer where Pointee == ProviderCompletionQueue {
    /// Gives room back: first of this queue, then of the one whose requests completed.
    @inlinable
    func publish(head: UInt32, _ freedWord: UnsafeMutableRawPointer?, _ freed: UInt32) {
        guard head != pointee.head.relaxed() else { return }
        pointee.head.storeRelaxed(head)
        pointee.emptyPolls.storeRelaxed(0)
        clinux_store_release32(pointee.header, head)
        if let freedWord { clinux_store_release32(freedWord, freed) }
    }
}

extension UnsafeMutablePointer where Pointee == ProviderQueuePair {
    /// Where it stands which entries are free, of the queue to which a completion belongs.
    @inlinable
    func freedWord(opcode: UInt32) -> UnsafeMutableRawPointer {
        // The opcodes of receive completions start at 128 (enum ibv_wc_opcode).
        opcode & 128 == 0 ? pointee.send.freedWord : pointee.receive.freedWord
    }
}

import CIBVerbsObjects
import CVRDMAABI
import Glibc
import Provider
import Verbs

// The calls of verbs.h that poll and arm: no allocation, no reference counting, no lookup.

extension UnsafeMutablePointer<ibv_cq> {
    /// The drop-in's object around what the application holds.
    @inline(__always)
    var own: UnsafeMutablePointer<drop_in_cq> {
        UnsafeMutableRawPointer(self).assumingMemoryBound(to: drop_in_cq.self)
    }
}

extension UnsafeMutablePointer<drop_in_cq> {
    /// The provider's completion queue. It is there from creation to destruction.
    @inline(__always)
    var queue: UnsafeMutablePointer<ProviderCompletionQueue>? {
        pointee.provider?.assumingMemoryBound(to: ProviderCompletionQueue.self)
    }
}

/// Takes completions (ibv_poll_cq(3)). Returns their number, or a negative errno value.
@c func pollCompletionQueue(
    _ completionQueue: UnsafeMutablePointer<ibv_cq>?, _ maximum: CInt, _ completions: UnsafeMutablePointer<ibv_wc>?
) -> CInt {
    guard let own = completionQueue?.own, let queue = own.queue, let completions else { return -EINVAL }
    if own.pointee.held_next != own.pointee.held_count {
        let held = own.takeHeld(maximum, completions)
        return held &+ poll(queue, maximum &- held, completions + Int(held))
    }
    return poll(queue, maximum, completions)
}

@inline(__always)
private func poll(
    _ queue: UnsafeMutablePointer<ProviderCompletionQueue>, _ maximum: CInt, _ completions: UnsafeMutablePointer<ibv_wc>
) -> CInt {
    let count = queue.poll(Int(maximum)) { index, completion, _ in
        copyCompletion(completion, completions + index)
    }
    return CInt(truncatingIfNeeded: count)
}

/// Copies the part of a completion that has one meaning on both sides, and clears what only a subnet knows.
@inline(__always)
func copyCompletion(_ completion: UnsafePointer<vrdma_cqe>, _ target: UnsafeMutablePointer<ibv_wc>) {
    let bytes = UnsafeMutableRawPointer(target)
    memcpy(bytes, completion, Int(DROP_IN_COMPLETION_BYTES))
    bytes.storeBytes(of: 0, toByteOffset: Int(DROP_IN_COMPLETION_BYTES), as: UInt64.self)
}

/// Asks for an event with the next completion (ibv_req_notify_cq(3)).
@c func requestNotification(_ completionQueue: UnsafeMutablePointer<ibv_cq>?, _ solicitedOnly: CInt) -> CInt {
    guard let completionQueue, let queue = completionQueue.own.queue else { return EINVAL }
    if solicitedOnly != 0, queue.pointee.armsByCommand { return armSolicited(completionQueue, queue) }
    queue.arm(solicitedOnly: solicitedOnly != 0)
    return 0
}

@inline(never)
private func armSolicited(
    _ completionQueue: UnsafeMutablePointer<ibv_cq>, _ queue: UnsafeMutablePointer<ProviderCompletionQueue>
) -> CInt {
    guard let context = completionQueue.pointee.context, let opened = provider(of: context) else {
        return failing(.inputOutput)
    }
    do {
        try opened.armSolicited(queue)
        return 0
    } catch {
        return failing(error)
    }
}

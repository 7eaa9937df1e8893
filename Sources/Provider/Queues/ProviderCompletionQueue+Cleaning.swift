import CLinux
import CVRDMAABI

extension UnsafeMutablePointer where Pointee == ProviderCompletionQueue {
    /// Removes the completions of a queue pair that is reset or destroyed. The endpoint must have stopped with it.
    ///
    /// Kept entries move towards the newest, so that only the head changes, which is this side's own.
    func removeCompletions(slot: UInt32) {
        clinux_spin_lock(pointee.lock)
        defer { clinux_spin_unlock(pointee.lock) }
        let head = pointee.head.relaxed()
        var tail = head
        while tail &- head < pointee.entryCount, clinux_load_acquire32(pointee.entry(tail) + 60) == tail &+ 1 {
            tail = tail &+ 1
        }
        var destination = tail
        var source = tail
        while source != head {
            source = source &- 1
            let from = pointee.entry(source).assumingMemoryBound(to: vrdma_cqe.self)
            if from.pointee.slot == slot { continue }
            destination = destination &- 1
            guard destination != source else { continue }
            var moved = from.pointee
            moved.sequence = destination &+ 1
            pointee.entry(destination).assumingMemoryBound(to: vrdma_cqe.self).pointee = moved
        }
        guard destination != head else { return }
        pointee.head.release(destination)
        clinux_store_release32(pointee.header, destination)
    }
}

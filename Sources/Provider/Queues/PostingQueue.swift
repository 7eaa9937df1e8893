import CLinux
import CVRDMAABI

/// The application's side of a send or receive queue: `vrdma_queue_header` and entries in shared memory, and the
/// indices that the endpoint cannot change.
@frozen
@usableFromInline
package struct PostingQueue {
    @usableFromInline package let header: UnsafeMutableRawPointer
    @usableFromInline package let entries: UnsafeMutableRawPointer
    /// The number of entries, a power of two; 0 when there is no queue.
    @usableFromInline package let entryCount: UInt32
    @usableFromInline package let strideBytes: UInt32
    /// Its bit in the doorbell tree.
    @usableFromInline let doorbell: UInt32
    /// Held while requests are posted.
    @usableFromInline var lock: UInt32 = 0
    /// The next entry to post; changed by the holder of the lock.
    @usableFromInline var tail: UInt32 = 0
    /// All entries before this one are free again; changed by whoever polls the completion queue.
    @usableFromInline var freed: UInt32 = 0

    init(header: UnsafeMutableRawPointer, entryCount: UInt32, strideBytes: UInt32, doorbell: UInt32) {
        self.header = header
        self.entries = header + MemoryLayout<vrdma_queue_header>.size
        self.entryCount = entryCount
        self.strideBytes = strideBytes
        self.doorbell = doorbell
    }

    /// The memory of an entry, by its free-running index.
    @inlinable
    func entry(_ index: UInt32) -> UnsafeMutableRawPointer {
        entries + Int(truncatingIfNeeded: (index & (entryCount &- 1)) &* strideBytes)
    }

    /// Entries that were posted and are not known to be free again.
    package var outstandingCount: UInt32 { tail &- freed }
}

extension UnsafeMutablePointer where Pointee == PostingQueue {
    /// Takes the lock. Every call is followed by one of `publish`.
    @inlinable
    func begin() {
        clinux_spin_lock(&pointee.lock)
    }

    /// The memory of the entry `position` after the first one that is free; nil when the queue is full.
    @inlinable
    func reserve(_ position: UInt32) -> UnsafeMutableRawPointer? {
        let index = pointee.tail &+ position
        guard index &- clinux_load_acquire32(&pointee.freed) < pointee.entryCount else { return nil }
        return pointee.entry(index)
    }

    /// Shows `count` reserved entries to the endpoint, wakes it when it does not look, and gives the lock back.
    @inlinable
    func publish(_ count: UInt32, _ context: UnsafeMutablePointer<ContextCore>) {
        if count > 0 {
            clinux_store_release32(&pointee.tail, pointee.tail &+ count)
            // The exchange orders the entries before the index, and the index before the look at the endpoint's wish.
            clinux_exchange32(pointee.header, pointee.tail)
            clinux_fence_after_exchange()
            if clinux_load_relaxed32(pointee.header + 64) != 0 { context.ringDoorbell(pointee.doorbell) }
        }
        clinux_spin_unlock(&pointee.lock)
    }
}

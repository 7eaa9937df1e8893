import CLinux
import CVRDMAABI
import SharedMemory

/// The application's side of a send or receive queue: `vrdma_queue_header` and entries in shared memory, and the
/// indices that the endpoint cannot change.
@frozen
@usableFromInline
package struct PostingQueue: BitwiseCopyable {
    @usableFromInline let header: UnsafeMutableRawPointer
    @usableFromInline let entries: UnsafeMutableRawPointer
    /// The number of entries, a power of two; 0 when there is no queue.
    @usableFromInline let entryCount: UInt32
    @usableFromInline let strideBytes: UInt32
    /// Its bit in the doorbell tree.
    @usableFromInline let doorbell: UInt32
    @usableFromInline let words: UnsafeMutableRawPointer

    init(header: UnsafeMutableRawPointer, entryCount: UInt32, strideBytes: UInt32, doorbell: UInt32) {
        self.header = header
        self.entries = header + MemoryLayout<vrdma_queue_header>.size
        self.entryCount = entryCount
        self.strideBytes = strideBytes
        self.doorbell = doorbell
        self.words = QueueWords.allocate()
    }

    func deallocate() {
        words.deallocate()
    }

    /// Held while requests are posted.
    @inlinable
    var lock: UnsafeMutablePointer<UInt32> { words.assumingMemoryBound(to: UInt32.self) }
    /// The next entry to post; changed by the holder of the lock.
    @inlinable
    var tail: SharedIndex { SharedIndex(words + 4) }
    /// All entries before this one are free again; changed by whoever polls the completion queue.
    @inlinable
    var freed: SharedIndex { SharedIndex(freedWord) }
    @inlinable
    var freedWord: UnsafeMutableRawPointer { words + 64 }
    /// A word for the queue pair: its state.
    @inlinable
    var state: SharedIndex { SharedIndex(words + 8) }

    /// The memory of an entry, by its free-running index.
    @inlinable
    func entry(_ index: UInt32) -> UnsafeMutableRawPointer {
        entries + Int(truncatingIfNeeded: (index & (entryCount &- 1)) &* strideBytes)
    }

    /// Takes the lock. Every call is followed by one of `publish`.
    @inlinable
    func begin() {
        clinux_spin_lock(lock)
    }

    /// The memory of the entry `position` after the first one that is free; nil when the queue is full.
    @inlinable
    func reserve(_ position: UInt32) -> UnsafeMutableRawPointer? {
        let index = tail.relaxed() &+ position
        guard index &- freed.acquire() < entryCount else { return nil }
        return entry(index)
    }

    /// Shows `count` reserved entries to the endpoint, wakes it when it does not look, and gives the lock back.
    @inlinable
    func publish(_ count: UInt32, _ core: UnsafeMutablePointer<ContextCore>) {
        if count > 0 {
            let next = tail.relaxed() &+ count
            tail.release(next)
            // The exchange orders the entries before the index, and the index before the look at the endpoint's wish.
            clinux_exchange32(header, next)
            clinux_fence_after_exchange()
            if clinux_load_relaxed32(header + 64) != 0 { core.ringDoorbell(doorbell) }
        }
        clinux_spin_unlock(lock)
    }

    /// Starts anew, as after creation. The endpoint, which is in RESET, does the same.
    func restart() {
        guard entryCount > 0 else { return }
        clinux_spin_lock(lock)
        tail.release(0)
        freed.release(0)
        clinux_store_release32(header, 0)
        clinux_spin_unlock(lock)
    }
}

import CLinux
import CVRDMAABI

/// A completion queue: a plain structure behind a pointer that stays valid until `destroyCompletionQueue`.
@frozen
@usableFromInline
package struct ProviderCompletionQueue {
    @usableFromInline package let handle: UInt32
    /// Names it in completion events; never given twice in a row.
    @usableFromInline package let slot: UInt32
    /// How many completions it holds: at least what was asked for.
    @usableFromInline package let entryCount: UInt32
    /// The handle of its completion channel, or 0.
    @usableFromInline package let channel: UInt32
    @usableFromInline let core: UnsafeMutablePointer<ContextCore>
    @usableFromInline let header: UnsafeMutableRawPointer
    @usableFromInline let entries: UnsafeMutableRawPointer
    /// Held while completions are taken.
    @usableFromInline var lock: UInt32 = 0
    /// The next entry to take.
    @usableFromInline var head: UInt32 = 0
    /// The last value written to the header's `arm`.
    @usableFromInline var arm: UInt32 = 0
    /// Polls in a row that found nothing.
    @usableFromInline var emptyPolls: UInt32 = 0
    /// The owner's object: an address, or 0.
    @usableFromInline package var userTag: UInt = 0

    let memory: RingMemory.Piece
    /// The value of `arm` for which a device that is gone gave its last event.
    var armAnsweredWhenFatal: UInt32 = 0
    /// The queue pairs that complete here, changed under the lock.
    var firstSender: UnsafeMutablePointer<ProviderQueuePair>?
    var firstReceiver: UnsafeMutablePointer<ProviderQueuePair>?

    init(
        handle: UInt32, slot: UInt32, entryCount: UInt32, channel: UInt32, core: UnsafeMutablePointer<ContextCore>,
        memory: RingMemory.Piece
    ) {
        self.handle = handle
        self.slot = slot
        self.entryCount = entryCount
        self.channel = channel
        self.core = core
        self.header = memory.address
        self.entries = memory.address + MemoryLayout<vrdma_queue_header>.size
        self.memory = memory
    }

    @inlinable
    func entry(_ index: UInt32) -> UnsafeMutableRawPointer {
        entries + Int(truncatingIfNeeded: index & (entryCount &- 1)) &* MemoryLayout<vrdma_cqe>.size
    }
}

import CLinux
import CVRDMAABI
import SharedMemory

/// A completion queue: a plain structure behind a pointer that stays valid until `destroyCompletionQueue`.
@frozen
@usableFromInline
package struct ProviderCompletionQueue: QueueObject {
    @usableFromInline package let handle: UInt32
    /// Names it in completion events; never given twice in a row.
    @usableFromInline package let slot: UInt32
    /// How many completions it holds: at least what was asked for.
    @usableFromInline package let entryCount: UInt32
    /// The handle of its completion channel, or 0.
    @usableFromInline package let channel: UInt32
    /// A wish for a solicited completion needs a command as well (`VRDMA_CQ_ARM_BY_COMMAND`).
    package let armsByCommand: Bool
    @usableFromInline let core: UnsafeMutablePointer<ContextCore>
    @usableFromInline let header: UnsafeMutableRawPointer
    @usableFromInline let entries: UnsafeMutableRawPointer
    @usableFromInline let words: UnsafeMutableRawPointer
    /// The owner's object: an address, or 0.
    @usableFromInline package var userTag: UInt = 0

    let memory: RingMemory.Piece
    /// The value of `arm` for which a device that is gone gave its last event.
    var armAnsweredWhenFatal: UInt32 = 0
    /// The queue pairs that complete here, changed under the lock.
    var firstSender: UnsafeMutablePointer<ProviderQueuePair>?
    var firstReceiver: UnsafeMutablePointer<ProviderQueuePair>?

    init(
        handle: UInt32, slot: UInt32, entryCount: UInt32, channel: UInt32, armsByCommand: Bool,
        core: UnsafeMutablePointer<ContextCore>, memory: RingMemory.Piece
    ) {
        self.handle = handle
        self.slot = slot
        self.entryCount = entryCount
        self.channel = channel
        self.armsByCommand = armsByCommand
        self.core = core
        self.header = memory.address
        self.entries = memory.address + MemoryLayout<vrdma_queue_header>.size
        self.memory = memory
        self.words = QueueWords.allocate()
    }

    @usableFromInline
    package func deallocate() {
        words.deallocate()
    }

    /// Held while completions are taken.
    @inlinable
    var lock: UnsafeMutablePointer<UInt32> { words.assumingMemoryBound(to: UInt32.self) }
    /// The next entry to take; changed by the holder of the lock.
    @inlinable
    var head: SharedIndex { SharedIndex(words + 4) }
    /// The last value written to the header's `arm`; changed by the holder of the lock.
    @inlinable
    var armed: SharedIndex { SharedIndex(words + 8) }
    /// Polls in a row that found nothing.
    @inlinable
    var emptyPolls: SharedIndex { SharedIndex(words + 12) }

    @inlinable
    func entry(_ index: UInt32) -> UnsafeMutableRawPointer {
        entries + Int(truncatingIfNeeded: index & (entryCount &- 1)) &* MemoryLayout<vrdma_cqe>.size
    }
}

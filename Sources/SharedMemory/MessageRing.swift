import CLinux
import CVRDMAABI

/// One direction of the command channel: a ring of 256-byte messages with one producer and one consumer.
///
/// A view of pointers into a `Mapping` whose bounds were checked when it was made; it must not outlive the mapping.
package struct MessageRing {
    private let tailIndex: SharedIndex
    private let headIndex: SharedIndex
    private let entries: UnsafeMutableRawPointer
    private let entryCount: UInt32
    /// This side's own index, which the peer cannot change.
    private var own: UInt32

    /// The peer's index is out of the ring.
    package struct Violation: Error {
        package init() {}
    }

    /// Nil when the ring does not lie inside of the mapping, or its shape is wrong.
    package init?(_ mapping: Mapping, tailOffset: Int, headOffset: Int, entriesOffset: UInt32, entryCount: UInt32) {
        guard entryCount > 0, entryCount.nonzeroBitCount == 1,
            mapping.contains(
                offset: UInt64(entriesOffset), count: UInt64(entryCount) * UInt64(MemoryLayout<vrdma_message>.size),
                alignment: 64)
        else { return nil }
        self.tailIndex = SharedIndex(mapping.base + tailOffset)
        self.headIndex = SharedIndex(mapping.base + headOffset)
        self.entries = mapping.base + Int(entriesOffset)
        self.entryCount = entryCount
        self.own = 0
    }

    /// Appends a message. False when the ring is full.
    package mutating func push(_ message: vrdma_message) throws(Violation) -> Bool {
        let used = own &- headIndex.acquire()
        guard used <= entryCount else { throw Violation() }
        guard used < entryCount else { return false }
        place(own).storeBytes(of: message, as: vrdma_message.self)
        own &+= 1
        // The exchange orders this store before the look at the peer's wish to be woken.
        tailIndex.exchange(own)
        return true
    }

    /// Takes the next message, read once. Nil when there is none.
    package mutating func pop() throws(Violation) -> vrdma_message? {
        let available = tailIndex.acquire() &- own
        guard available <= entryCount else { throw Violation() }
        guard available > 0 else { return nil }
        var message = vrdma_message()
        clinux_snapshot(&message, place(own), MemoryLayout<vrdma_message>.size)
        own &+= 1
        headIndex.release(own)
        return message
    }

    /// Whether a message waits.
    package var isEmpty: Bool { tailIndex.acquire() == own }

    private func place(_ index: UInt32) -> UnsafeMutableRawPointer {
        entries + Int(index & (entryCount - 1)) * MemoryLayout<vrdma_message>.size
    }
}

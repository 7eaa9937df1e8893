import CLinux
import CVRDMAABI

/// The entries of a completion queue in shared memory: `vrdma_queue_header`, then `vrdma_cqe`s.
///
/// A view of pointers into a `Mapping` whose bounds were checked when it was made; it must not outlive the mapping.
@frozen
@usableFromInline
package struct CompletionRing: BitwiseCopyable {
    @usableFromInline let header: UnsafeMutableRawPointer
    @usableFromInline let entries: UnsafeMutableRawPointer
    /// The number of entries, a power of two.
    @usableFromInline package let entryCount: UInt32

    /// The bytes that a queue takes in shared memory.
    package static func sizeBytes(entryCount: UInt32) -> UInt64 {
        UInt64(MemoryLayout<vrdma_queue_header>.size) + UInt64(entryCount) * UInt64(MemoryLayout<vrdma_cqe>.size)
    }

    /// Nil when the queue does not lie inside of the mapping, or its shape is wrong.
    package init?(_ mapping: Mapping, offset: UInt64, entryCount: UInt32) {
        guard entryCount > 0, entryCount.nonzeroBitCount == 1,
            mapping.contains(offset: offset, count: Self.sizeBytes(entryCount: entryCount), alignment: 64)
        else { return nil }
        self.header = mapping.base + Int(offset)
        self.entries = header + MemoryLayout<vrdma_queue_header>.size
        self.entryCount = entryCount
    }

    /// The next entry that the application will poll.
    @inlinable
    package var head: SharedIndex { SharedIndex(header) }
    /// What the application wants to be notified of: `(sequence << 2) | VRDMA_CQ_ARM_*`.
    @inlinable
    package var arm: SharedIndex { SharedIndex(header + 4) }
    /// The value of `arm` that was last answered.
    @inlinable
    package var armServed: SharedIndex { SharedIndex(header + 68) }
    /// The next entry that the endpoint will write.
    @inlinable
    package var tail: SharedIndex { SharedIndex(header + 128) }

    @inlinable
    package func entry(_ index: UInt32) -> UnsafeMutableRawPointer {
        entries + Int(truncatingIfNeeded: index & (entryCount &- 1)) &* MemoryLayout<vrdma_cqe>.size
    }

    /// Writes the entry and makes it visible. The caller has seen that there is room.
    @inlinable
    package func publish(_ completion: vrdma_cqe, at index: UInt32) {
        let place = entry(index).assumingMemoryBound(to: vrdma_cqe.self)
        var record = completion
        record.sequence = place.pointee.sequence
        place.pointee = record
        clinux_store_release32(entry(index) + 60, index &+ 1)
    }

    /// The entry at `index`, when it is there. For the application.
    @inlinable
    package func completion(at index: UInt32) -> UnsafePointer<vrdma_cqe>? {
        let place = entry(index)
        guard clinux_load_acquire32(place + 60) == index &+ 1 else { return nil }
        return UnsafePointer(place.assumingMemoryBound(to: vrdma_cqe.self))
    }
}

import CLinux
import CVRDMAABI

/// The send or receive queue of a queue pair in shared memory: `vrdma_queue_header`, then the entries.
///
/// A view of pointers into a `Mapping` whose bounds were checked when it was made; it must not outlive the mapping.
@frozen
@usableFromInline
package struct WorkQueue: BitwiseCopyable {
    @usableFromInline let header: UnsafeMutableRawPointer
    @usableFromInline let entries: UnsafeMutableRawPointer
    /// The number of entries, a power of two; 0 when there is no queue.
    @usableFromInline package let entryCount: UInt32
    @usableFromInline package let strideBytes: UInt32

    /// The bytes that a queue takes in shared memory.
    package static func sizeBytes(entryCount: UInt32, strideBytes: UInt32) -> UInt64 {
        UInt64(MemoryLayout<vrdma_queue_header>.size) + UInt64(entryCount) * UInt64(strideBytes)
    }

    /// A queue that has no entries, and whose words are in nobody's shared memory.
    package static var none: WorkQueue {
        WorkQueue(header: emptyHeader, entryCount: 0, strideBytes: 0)
    }

    /// All queues without entries share it; nobody reads what is written there.
    private nonisolated(unsafe) static let emptyHeader: UnsafeMutableRawPointer = {
        let bytes = MemoryLayout<vrdma_queue_header>.size
        let header = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        header.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        return header
    }()

    /// Nil when the queue does not lie inside of the mapping, or its shape is wrong.
    package init?(_ mapping: Mapping, offset: UInt64, entryCount: UInt32, strideBytes: UInt32) {
        guard entryCount > 0, entryCount.nonzeroBitCount == 1, strideBytes > 0, strideBytes % 16 == 0,
            mapping.contains(
                offset: offset, count: Self.sizeBytes(entryCount: entryCount, strideBytes: strideBytes), alignment: 64)
        else { return nil }
        self.init(header: mapping.base + Int(offset), entryCount: entryCount, strideBytes: strideBytes)
    }

    private init(header: UnsafeMutableRawPointer, entryCount: UInt32, strideBytes: UInt32) {
        self.header = header
        self.entries = header + MemoryLayout<vrdma_queue_header>.size
        self.entryCount = entryCount
        self.strideBytes = strideBytes
    }

    /// The next entry that the application will post.
    @inlinable
    package var tail: SharedIndex { SharedIndex(header) }
    /// 1 when the application has to ring after posting.
    @inlinable
    package var doorbellWanted: SharedIndex { SharedIndex(header + 64) }
    /// The next entry that the endpoint will take.
    @inlinable
    package var head: SharedIndex { SharedIndex(header + 128) }
    /// The next PSN, for a successor of the endpoint.
    @inlinable
    package var psn: SharedIndex { SharedIndex(header + 132) }

    /// The memory of an entry, by its free-running index.
    @inlinable
    package func entry(_ index: UInt32) -> UnsafeMutableRawPointer {
        entries + Int(truncatingIfNeeded: index & (entryCount &- 1)) &* Int(truncatingIfNeeded: strideBytes)
    }

    /// One reading of a send queue entry, without its scatter/gather elements.
    @inlinable
    package func sendEntry(_ index: UInt32) -> vrdma_send_wqe {
        var wqe = vrdma_send_wqe()
        clinux_snapshot(&wqe, entry(index), MemoryLayout<vrdma_send_wqe>.size)
        return wqe
    }

    /// One reading of a receive queue entry, without its scatter/gather elements.
    @inlinable
    package func receiveEntry(_ index: UInt32) -> vrdma_receive_wqe {
        var wqe = vrdma_receive_wqe()
        clinux_snapshot(&wqe, entry(index), MemoryLayout<vrdma_receive_wqe>.size)
        return wqe
    }

    /// One reading of a scatter/gather element; `position` must be below the queue's own maximum.
    @inlinable
    package func sendElement(_ index: UInt32, _ position: UInt32) -> vrdma_sge {
        element(entry(index) + MemoryLayout<vrdma_send_wqe>.size, position)
    }

    /// One reading of a scatter/gather element; `position` must be below the queue's own maximum.
    @inlinable
    package func receiveElement(_ index: UInt32, _ position: UInt32) -> vrdma_sge {
        element(entry(index) + MemoryLayout<vrdma_receive_wqe>.size, position)
    }

    /// The address of an entry's inline data.
    @inlinable
    package func inlineDataAddress(_ index: UInt32) -> UInt {
        UInt(bitPattern: entry(index) + MemoryLayout<vrdma_send_wqe>.size)
    }

    /// Elements that an entry of this stride can hold behind a header of `headerBytes`.
    package func elementCapacity(headerBytes: Int) -> UInt32 {
        let bytes = Int(strideBytes) - headerBytes
        return bytes > 0 ? UInt32(bytes / MemoryLayout<vrdma_sge>.size) : 0
    }

    @inlinable
    func element(_ first: UnsafeMutableRawPointer, _ position: UInt32) -> vrdma_sge {
        var sge = vrdma_sge()
        let bytes = MemoryLayout<vrdma_sge>.size
        clinux_snapshot(&sge, first + Int(position) &* bytes, bytes)
        return sge
    }

    /// Notes how far the request in progress is, so that a successor of the endpoint does nothing twice.
    @inlinable
    package func recordProgress(_ progress: vrdma_progress) {
        let place = header + 192
        clinux_store_release32(place, 0)
        var record = progress
        record.stage = 0
        place.storeBytes(of: record, as: vrdma_progress.self)
        clinux_store_release32(place, progress.stage)
    }
}

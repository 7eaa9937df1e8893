import CLinux
import CVRDMAABI

/// The doorbells of a context in shared memory, `vrdma_context_header`.
///
/// A view of pointers into a `Mapping` whose bounds were checked when it was made; it must not outlive the mapping.
@frozen
@usableFromInline
package struct DoorbellTree: BitwiseCopyable {
    @usableFromInline let header: UnsafeMutableRawPointer
    @usableFromInline static var summaryOffset: Int { 64 }
    @usableFromInline static var branchesOffset: Int { 256 }
    @usableFromInline static var leavesOffset: Int { 256 + 8 * Int(VRDMA_DOORBELL_BRANCH_WORDS) }

    /// The bytes that it takes in shared memory.
    package static var sizeBytes: Int { MemoryLayout<vrdma_context_header>.size }

    /// Nil when the mapping is too small.
    package init?(_ mapping: Mapping) {
        guard mapping.contains(offset: 0, count: UInt64(Self.sizeBytes)) else { return nil }
        header = mapping.base
    }

    /// 1 when the endpoint has stopped looking and wants a kick after a doorbell.
    @inlinable
    package var kickWanted: SharedIndex { SharedIndex(header + 128) }
    /// The processor that the endpoint runs on, plus one; 0 while it sleeps.
    @inlinable
    package var endpointProcessor: SharedIndex { SharedIndex(header + 192) }

    /// Writes the version words of a new context.
    package func initialize() {
        let typed = header.assumingMemoryBound(to: vrdma_context_header.self)
        typed.pointee.magic = VRDMA_ABI_MAGIC
        typed.pointee.major = UInt16(VRDMA_ABI_MAJOR)
        typed.pointee.minor = UInt16(VRDMA_ABI_MINOR)
        kickWanted.storeRelaxed(1)
    }

    /// Whether the version words are those of this ABI.
    package var isCompatible: Bool {
        clinux_load_relaxed32(header) == VRDMA_ABI_MAGIC
            && clinux_load_relaxed32(header + 4) & 0xffff == VRDMA_ABI_MAJOR
    }

    /// Rings for a queue: 2 × slot for its send queue, 2 × slot + 1 for its receive queue. For the application.
    @inlinable
    package func ring(_ queue: UInt32) {
        let leaf = Int(queue >> 6)
        guard leaf < Int(VRDMA_DOORBELL_LEAF_WORDS) else { return }
        _ = clinux_fetch_or64(header + Self.leavesOffset + 8 &* leaf, 1 << UInt64(queue & 63))
        _ = clinux_fetch_or64(header + Self.branchesOffset + 8 &* (leaf >> 6), 1 << UInt64(leaf & 63))
        _ = clinux_fetch_or64(header + Self.summaryOffset, 1 << UInt64(leaf >> 6))
    }

    @inlinable
    package var isAnyRung: Bool { clinux_load_relaxed64(header + Self.summaryOffset) != 0 }

    /// Takes doorbells until `limit` of them and of the leaves they were in were looked at. Those beyond stay rung.
    /// Returns how many were taken.
    @inlinable
    package func take(limit: Int, _ body: (UInt32) -> Void) -> Int {
        guard isAnyRung else { return 0 }
        var taken = 0
        var leavesSeen = 0
        var summary = clinux_exchange64(header + Self.summaryOffset, 0)
        while summary != 0 {
            let branchIndex = summary.trailingZeroBitCount
            let branchAddress = header + Self.branchesOffset + 8 &* branchIndex
            var branch = clinux_exchange64(branchAddress, 0)
            while branch != 0 {
                if taken &+ leavesSeen >= limit {
                    _ = clinux_fetch_or64(branchAddress, branch)
                    _ = clinux_fetch_or64(header + Self.summaryOffset, summary)
                    return taken
                }
                let leafIndex = branchIndex << 6 | branch.trailingZeroBitCount
                branch &= branch &- 1
                leavesSeen &+= 1
                var leaf = clinux_exchange64(header + Self.leavesOffset + 8 &* leafIndex, 0)
                while leaf != 0 {
                    body(UInt32(truncatingIfNeeded: leafIndex << 6 | leaf.trailingZeroBitCount))
                    leaf &= leaf &- 1
                    taken &+= 1
                }
            }
            summary &= summary &- 1
        }
        return taken
    }
}

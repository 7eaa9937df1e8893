import CLinux
import CVRDMAABI

/// A queue or queue pair behind a pointer.
@usableFromInline
package protocol QueueObject {
    /// Frees what it owns beside itself.
    func deallocate()
}

/// From a slot number to the object there: two levels, so that growing never moves what a concurrent reader looks at.
///
/// Writers are serialised by their owner. A reader must not look up an object whose destruction may have begun.
@frozen
@usableFromInline
package struct SlotDirectory<Object: QueueObject> {
    @usableFromInline static var leafBits: UInt32 { 9 }
    @usableFromInline static var leafCount: UInt32 { VRDMA_DOORBELL_SLOTS >> leafBits }
    /// The number of slots there can be.
    package static var slotCount: UInt32 { VRDMA_DOORBELL_SLOTS }

    @usableFromInline let leaves: UnsafeMutablePointer<UnsafeMutableRawPointer?>

    init() {
        leaves = .allocate(capacity: Int(Self.leafCount))
        leaves.initialize(repeating: nil, count: Int(Self.leafCount))
    }

    /// Frees the directory and the objects that are still in it.
    func deallocate() {
        for leaf in 0..<Self.leafCount where leaves[Int(leaf)] != nil {
            for slot in leaf << Self.leafBits..<(leaf + 1) << Self.leafBits {
                guard let object = lookup(slot) else { continue }
                object.pointee.deallocate()
                object.deallocate()
            }
            leaves[Int(leaf)]?.deallocate()
        }
        leaves.deallocate()
    }

    /// The object at `slot`, whatever number that is.
    @inlinable
    func lookup(_ slot: UInt32) -> UnsafeMutablePointer<Object>? {
        guard slot < VRDMA_DOORBELL_SLOTS else { return nil }
        guard let leaf = clinux_load_acquire_pointer(leaves + Int(truncatingIfNeeded: slot >> Self.leafBits)) else {
            return nil
        }
        let place = leaf.assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
        let index = Int(truncatingIfNeeded: slot & (1 << Self.leafBits - 1))
        return clinux_load_acquire_pointer(place + index)?.assumingMemoryBound(to: Object.self)
    }

    /// Enters or removes an object. The slot must be below `slotCount`.
    func set(_ slot: UInt32, _ object: UnsafeMutablePointer<Object>?) {
        guard slot < VRDMA_DOORBELL_SLOTS else { return }
        let leafPlace = leaves + Int(slot >> Self.leafBits)
        let leaf: UnsafeMutablePointer<UnsafeMutableRawPointer?>
        if let existing = leafPlace.pointee {
            leaf = existing.assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
        } else {
            leaf = .allocate(capacity: 1 << Int(Self.leafBits))
            leaf.initialize(repeating: nil, count: 1 << Int(Self.leafBits))
            clinux_store_release_pointer(leafPlace, UnsafeMutableRawPointer(leaf))
        }
        clinux_store_release_pointer(
            leaf + Int(slot & (1 << Self.leafBits - 1)), object.map { UnsafeMutableRawPointer($0) })
    }
}

import Glibc

/// A list of table indices with room for all of them, so that appending never allocates.
///
/// The address space is reserved at once; memory is used as the list grows. Lives as long as its device.
@frozen
@usableFromInline
package struct IndexList: BitwiseCopyable {
    /// The count, then the indices.
    @usableFromInline let words: UnsafeMutablePointer<UInt32>
    @usableFromInline let capacity: UInt32

    package init(capacity: Int) {
        let bytes = (capacity + 1) * MemoryLayout<UInt32>.stride
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | Int32(MAP_NORESERVE)
        guard let place = mmap(nil, bytes, PROT_READ | PROT_WRITE, flags, -1, 0), place != MAP_FAILED else {
            // As in Slab: at start-up, from a configured size.
            fatalError("vrdma: cannot reserve \(bytes) bytes of address space for a list; lower its limit")
        }
        words = place.assumingMemoryBound(to: UInt32.self)
        self.capacity = UInt32(capacity)
    }

    package func deallocate() {
        munmap(words, (Int(capacity) + 1) * MemoryLayout<UInt32>.stride)
    }

    @inlinable
    package var count: Int { Int(words[0]) }

    @inlinable
    package var isEmpty: Bool { words[0] == 0 }

    /// The index at a position that the caller knows to be below `count`.
    @inlinable
    package subscript(position: Int) -> UInt32 { words[position &+ 1] }

    /// Appends; an index more than there is room for is dropped, which cannot happen while each is listed once.
    @inlinable
    package func append(_ index: UInt32) {
        guard words[0] < capacity else { return }
        words[0] &+= 1
        words[Int(words[0])] = index
    }

    /// Removes by moving the last one into its place.
    @inlinable
    package func removeSwapping(at position: Int) {
        words[position &+ 1] = words[Int(words[0])]
        words[0] &-= 1
    }

    @inlinable
    package func removeAll() {
        words[0] = 0
    }
}

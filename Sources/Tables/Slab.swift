import Glibc

/// A table whose elements never move and are found by index without a search, a lock or reference counting.
///
/// The address space of `capacity` elements is reserved at once; memory is used by the elements that were ever made.
/// An index is used again only after its element was removed, with another generation, so that a stale reference is
/// recognised. The owner must keep the slab alive as long as views of it are in use.
@usableFromInline
package final class Slab<Element: BitwiseCopyable> {
    @usableFromInline let elements: UnsafeMutablePointer<Element>
    @usableFromInline let generations: UnsafeMutablePointer<UInt32>
    private let elementBytes: Int
    private let generationBytes: Int
    @usableFromInline package let capacity: Int
    /// Elements in use.
    package private(set) var count = 0
    private var unused: [UInt32] = []
    private var firstNeverUsed: UInt32

    /// `firstIndex` is the lowest index that will be given out.
    package init(capacity: Int, firstIndex: UInt32 = 0) {
        self.capacity = capacity
        firstNeverUsed = firstIndex
        elementBytes = max(1, capacity) * MemoryLayout<Element>.stride
        generationBytes = max(1, capacity) * MemoryLayout<UInt32>.stride
        elements = Self.reserve(elementBytes).assumingMemoryBound(to: Element.self)
        generations = Self.reserve(generationBytes).assumingMemoryBound(to: UInt32.self)
    }

    deinit {
        munmap(elements, elementBytes)
        munmap(generations, generationBytes)
    }

    private static func reserve(_ bytes: Int) -> UnsafeMutableRawPointer {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | Int32(MAP_NORESERVE)
        guard let place = mmap(nil, bytes, PROT_READ | PROT_WRITE, flags, -1, 0), place != MAP_FAILED else {
            // Address space for a table of configured size, at start-up: there is nothing to go on with.
            fatalError("vrdma: cannot reserve \(bytes) bytes of address space for a table; lower its limit")
        }
        return place
    }

    /// Puts an element into the table. Nil when it is full.
    package func insert(_ element: Element) -> UInt32? {
        let index: UInt32
        if Int(firstNeverUsed) < capacity {
            index = firstNeverUsed
            firstNeverUsed += 1
        } else if let reused = unused.popLast() {
            index = reused
        } else {
            return nil
        }
        elements[Int(index)] = element
        generations[Int(index)] &+= 1
        count += 1
        return index
    }

    /// Puts an element at an index of the caller's choice. False when the index is taken or beyond the capacity.
    ///
    /// A table whose indices are chosen from outside is filled in this way only.
    package func insert(_ element: Element, at index: UInt32) -> Bool {
        guard Int(index) < capacity, !isLive(index) else { return false }
        elements[Int(index)] = element
        generations[Int(index)] &+= 1
        count += 1
        return true
    }

    /// Takes away an element that was put at an index of the caller's choice.
    package func removeChosen(_ index: UInt32) {
        guard isLive(index) else { return }
        generations[Int(index)] &+= 1
        count -= 1
    }

    /// Takes an element out of the table; its index may be used again.
    package func remove(_ index: UInt32) {
        guard isLive(index) else { return }
        generations[Int(index)] &+= 1
        count -= 1
        unused.append(index)
    }

    /// Whether there is an element at the index; any number may be asked for.
    @inlinable
    package func isLive(_ index: UInt32) -> Bool {
        Int(index) < capacity && generations[Int(index)] & 1 == 1
    }

    /// Odd while the element is there, and different for each element that used the index.
    @inlinable
    package func generation(_ index: UInt32) -> UInt32 {
        Int(index) < capacity ? generations[Int(index)] : 0
    }

    /// The element at an index that the caller knows to be below `capacity`.
    @inlinable
    package subscript(index: UInt32) -> Element {
        @inline(__always) unsafeAddress { UnsafePointer(elements + Int(index)) }
        @inline(__always) unsafeMutableAddress { elements + Int(index) }
    }

    /// The indices in use, lowest first.
    package var liveIndices: [UInt32] {
        (0..<firstNeverUsed).filter { isLive($0) }
    }

    /// A reference that costs nothing to copy.
    package var view: SlabView<Element> {
        SlabView(elements: elements, generations: generations, capacity: UInt32(capacity))
    }
}

/// A reference to a `Slab` without reference counting, valid as long as the slab lives.
@frozen
@usableFromInline
package struct SlabView<Element: BitwiseCopyable>: BitwiseCopyable {
    @usableFromInline let elements: UnsafeMutablePointer<Element>
    @usableFromInline let generations: UnsafeMutablePointer<UInt32>
    @usableFromInline let capacity: UInt32

    @usableFromInline
    init(elements: UnsafeMutablePointer<Element>, generations: UnsafeMutablePointer<UInt32>, capacity: UInt32) {
        self.elements = elements
        self.generations = generations
        self.capacity = capacity
    }

    /// Whether there is an element at the index; any number may be asked for.
    @inlinable
    package func isLive(_ index: UInt32) -> Bool {
        index < capacity && generations[Int(index)] & 1 == 1
    }

    @inlinable
    package func generation(_ index: UInt32) -> UInt32 {
        index < capacity ? generations[Int(index)] : 0
    }

    /// The element at an index that the caller knows to be below the capacity.
    @inlinable
    package subscript(index: UInt32) -> Element {
        @inline(__always) unsafeAddress { UnsafePointer(elements + Int(index)) }
        @inline(__always) nonmutating unsafeMutableAddress { elements + Int(index) }
    }
}

/// A fixed number of elements that never move, as a reference that costs nothing to copy.
///
/// Memory is managed by hand: whoever allocates a block deallocates it once, when no copy is used any more.
@frozen
@usableFromInline
package struct Block<Element: BitwiseCopyable>: BitwiseCopyable {
    @usableFromInline let elements: UnsafeMutablePointer<Element>?
    @usableFromInline package let count: Int

    /// No elements.
    package static var empty: Block { Block(elements: nil, count: 0) }

    @usableFromInline
    init(elements: UnsafeMutablePointer<Element>?, count: Int) {
        self.elements = elements
        self.count = count
    }

    package static func allocate(count: Int, repeating element: Element) -> Block {
        let elements = UnsafeMutablePointer<Element>.allocate(capacity: max(1, count))
        elements.initialize(repeating: element, count: count)
        return Block(elements: elements, count: count)
    }

    package func deallocate() {
        elements?.deallocate()
    }

    /// The element at an index that the caller knows to be below `count`.
    @inlinable
    package subscript(index: Int) -> Element {
        @inline(__always) unsafeAddress { UnsafePointer(elements.unsafelyUnwrapped + index) }
        @inline(__always) nonmutating unsafeMutableAddress { elements.unsafelyUnwrapped + index }
    }
}

/// A piece of registered memory for a request (`struct ibv_sge`, ibv_post_send(3)).
///
/// Made by subscripts: `buffer[0..<64]`, `region[...]`.
public struct ScatterGatherElement: Sendable {
    /// The region, which the element keeps alive.
    public var region: MemoryRegion
    /// Bytes from the region's start.
    public var offset: UInt64
    /// Its length, up to 2^31, the limit of a message.
    public var byteCount: UInt32

    /// Names `byteCount` bytes from `offset` on. Nothing is checked before the request is executed.
    public init(_ region: MemoryRegion, offset: UInt64, byteCount: UInt32) {
        self.region = region
        self.offset = offset
        self.byteCount = byteCount
    }

    /// The bytes in this process; nil when they do not lie in the region.
    var localBytes: UnsafeRawBufferPointer? {
        let size = UInt64(region.byteCount)
        guard offset <= size, UInt64(byteCount) <= size - offset else { return nil }
        return UnsafeRawBufferPointer(
            start: UnsafeRawPointer(bitPattern: region.start + UInt(offset)), count: Int(byteCount))
    }
}

/// An element on its way into a queue entry: its region is kept alive by whoever posts it, without being counted.
struct BorrowedElement {
    let region: Unmanaged<MemoryRegion>
    let offset: UInt64
    let byteCount: UInt32

    @inline(__always)
    init(_ element: ScatterGatherElement) {
        region = .passUnretained(element.region)
        offset = element.offset
        byteCount = element.byteCount
    }
}

/// The pieces of memory of one request, in order. One element takes no allocation.
public struct ScatterGatherList: Sendable, ExpressibleByArrayLiteral {
    var first: ScatterGatherElement?
    var rest: [ScatterGatherElement]

    /// No memory: a message of zero bytes.
    public init() {
        rest = []
    }

    /// One piece.
    public init(_ element: ScatterGatherElement) {
        first = element
        rest = []
    }

    /// Several pieces.
    public init(_ elements: some Sequence<ScatterGatherElement>) {
        var iterator = elements.makeIterator()
        first = iterator.next()
        rest = []
        while let element = iterator.next() { rest.append(element) }
    }

    /// Several pieces.
    public init(arrayLiteral elements: ScatterGatherElement...) {
        self.init(elements)
    }

    /// The first piece, for the time of a call.
    @inline(__always)
    var borrowedFirst: BorrowedElement? { first.map { BorrowedElement($0) } }

    /// The number of pieces.
    public var count: Int { first == nil ? 0 : 1 + rest.count }

    /// The length of all pieces together.
    public var byteCount: UInt64 {
        guard let first else { return 0 }
        return rest.reduce(UInt64(first.byteCount)) { $0 &+ UInt64($1.byteCount) }
    }
}

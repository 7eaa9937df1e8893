/// Memory of the application that must stay in its files while a memory region uses it.
final class MemoryPin: @unchecked Sendable {
    /// In the order of addresses; together they cover exactly what was asked for.
    let extents: [FileExtent]
    private let engine: AdoptionEngine
    /// Must live as long as the pin.
    private let owner: AnyObject?

    init(_ extents: [FileExtent], engine: AdoptionEngine, owner: AnyObject?) {
        self.extents = extents
        self.engine = engine
        self.owner = owner
    }

    deinit {
        engine.unpin(self)
    }
}

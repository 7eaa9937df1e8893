import CVRDMAABI

/// Numbers for a directory, the lowest region first, so that doorbells stay close together.
struct SlotAllocator {
    private var next: UInt32 = 0
    private var free: [UInt32] = []

    /// All numbers in use are below this one.
    var bound: UInt32 { next }

    /// A number that is not in use; nil when `limit` are.
    mutating func allocate(limit: UInt32 = VRDMA_DOORBELL_SLOTS) -> UInt32? {
        if let slot = free.popLast() { return slot }
        guard next < limit else { return nil }
        next += 1
        return next - 1
    }

    mutating func release(_ slot: UInt32) {
        free.append(slot)
    }
}

/// The `wr_id` of a request on the device: what its completion belongs to.
///
/// The generation tells completions of a queue pair that is gone, or was reset, from those of its successor: a device may
/// leave them in the completion queue.
struct RequestIdentifier: RawRepresentable, Hashable {
    static let queuePairBits: UInt64 = 20
    static let generationBits: UInt64 = 11
    static let maximumQueuePairs = 1 << queuePairBits
    static let generationMask: UInt32 = (1 << generationBits) - 1

    let rawValue: UInt64

    @inline(__always)
    init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// - Parameter index: the free-running index in the guest's queue.
    @inline(__always)
    init(queuePair: UInt32, generation: UInt32, isReceive: Bool, index: UInt32) {
        let place = UInt64(queuePair & UInt32(Self.maximumQueuePairs - 1))
        rawValue =
            (isReceive ? 1 << 63 : 0) | UInt64(generation & Self.generationMask) << (32 + Self.queuePairBits)
            | place << 32 | UInt64(index)
    }

    @inline(__always)
    var isReceive: Bool { rawValue >> 63 != 0 }
    @inline(__always)
    var queuePair: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) & UInt32(Self.maximumQueuePairs - 1) }
    @inline(__always)
    var generation: UInt32 { UInt32(truncatingIfNeeded: rawValue >> (32 + Self.queuePairBits)) & Self.generationMask }
    @inline(__always)
    var index: UInt32 { UInt32(truncatingIfNeeded: rawValue) }
}

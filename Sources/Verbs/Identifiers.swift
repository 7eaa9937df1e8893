/// A queue pair number: 24 bits, unique within a guest (IBA 3.5.1).
public struct QueuePairNumber: RawRepresentable, BitwiseCopyable, Hashable, Sendable, CustomStringConvertible {
    /// The number in the specification's encoding.
    public let rawValue: UInt32

    /// From the number in the specification's encoding; bits beyond its width are dropped.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue & 0xff_ffff
    }

    /// A text for people.
    public var description: String { String(rawValue) }
}

/// A memory key: a 24-bit index and an 8-bit key portion that changes when the index is used again (IBA 10.6.3.3).
public struct MemoryKey: RawRepresentable, BitwiseCopyable, Hashable, Sendable {
    /// The number in the specification's encoding.
    public let rawValue: UInt32

    /// From the number in the specification's encoding; bits beyond its width are dropped.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// From its two parts.
    @inlinable
    public init(index: UInt32, keyPortion: UInt8) {
        self.rawValue = index << 8 | UInt32(keyPortion)
    }

    /// Where the region stands in its guest's table.
    @inlinable
    public var index: UInt32 { rawValue >> 8 }

    /// What changes when the index is used again.
    @inlinable
    public var keyPortion: UInt8 { UInt8(truncatingIfNeeded: rawValue) }
}

/// A packet sequence number: 24 bits, wrapping (IBA 9.7.2).
public struct PacketSequenceNumber: RawRepresentable, BitwiseCopyable, Hashable, Sendable {
    /// The number in the specification's encoding.
    public let rawValue: UInt32

    /// From the number in the specification's encoding; bits beyond its width are dropped.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue & 0xff_ffff
    }

    /// The number `count` packets later.
    @inlinable
    public func advanced(by count: UInt32) -> PacketSequenceNumber {
        PacketSequenceNumber(rawValue: rawValue &+ count)
    }

    /// The distance from `other` to this one, between -2^23 and 2^23 - 1 (IBA 9.7.2, PSN comparison).
    @inlinable
    public func distance(from other: PacketSequenceNumber) -> Int32 {
        Int32(bitPattern: (rawValue &- other.rawValue) << 8) >> 8
    }
}

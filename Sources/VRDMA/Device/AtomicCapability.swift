/// Towards whom atomic operations are atomic; the values of `enum ibv_atomic_cap` (ibv_query_device(3)).
public struct AtomicCapability: RawRepresentable, BitwiseCopyable, Hashable, Sendable {
    /// As the enumeration has it.
    public let rawValue: UInt32

    /// From the number of the enumeration.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// The device has no atomic operations (`IBV_ATOMIC_NONE`).
    public static let none = AtomicCapability(rawValue: 0)
    /// Towards other operations of the same device (`IBV_ATOMIC_HCA`).
    public static let device = AtomicCapability(rawValue: 1)
    /// Towards the processors, too (`IBV_ATOMIC_GLOB`).
    public static let global = AtomicCapability(rawValue: 2)
}

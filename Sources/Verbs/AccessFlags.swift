/// What may be done to a memory region or through a queue pair; the bits of `enum ibv_access_flags` (ibv_reg_mr(3)).
public struct AccessFlags: OptionSet, BitwiseCopyable, Hashable, Sendable {
    /// The number in the specification's encoding.
    public let rawValue: UInt32

    /// From the number in the specification's encoding; bits beyond its width are dropped.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// The owner may let receives and READ answers be written into it.
    public static let localWrite = AccessFlags(rawValue: 1 << 0)
    /// Peers may RDMA WRITE.
    public static let remoteWrite = AccessFlags(rawValue: 1 << 1)
    /// Peers may RDMA READ.
    public static let remoteRead = AccessFlags(rawValue: 1 << 2)
    /// Peers may do atomics.
    public static let remoteAtomic = AccessFlags(rawValue: 1 << 3)
    /// Memory windows may be bound to it.
    public static let memoryWindowBind = AccessFlags(rawValue: 1 << 4)
    /// Its addresses begin at 0.
    public static let zeroBased = AccessFlags(rawValue: 1 << 5)
    /// Pages are looked up when they are used.
    public static let onDemand = AccessFlags(rawValue: 1 << 6)
    /// The memory is made of huge pages.
    public static let hugeTLB = AccessFlags(rawValue: 1 << 7)
    /// The optional flags (`IBV_ACCESS_OPTIONAL_RANGE`), which a device may ignore.
    public static let optionalMask = AccessFlags(rawValue: 0x3ff0_0000)

    /// What this version registers with.
    public static let supported: AccessFlags = [
        .localWrite, .remoteWrite, .remoteRead, .remoteAtomic, .zeroBased, .hugeTLB,
    ]

    /// Remote write and remote atomic need local write (IBA 10.6.3.1).
    public var isConsistent: Bool {
        contains(.localWrite) || isDisjoint(with: [.remoteWrite, .remoteAtomic])
    }
}

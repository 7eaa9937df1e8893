/// Memory of a peer that RDMA operations name: an address and the key of its region (IBA 10.6.3).
///
/// A peer makes it of its region (`MemoryRegion.remote`) and tells it by other means: as the text of `description`, or
/// as `address` and `key`.
@frozen
public struct RemoteMemory: BitwiseCopyable, Hashable, Sendable {
    /// The address, in the terms of the peer's region.
    public var address: UInt64
    /// The region's remote key.
    public var key: MemoryKey

    /// Names memory of a peer.
    @inlinable
    public init(address: UInt64, key: MemoryKey) {
        self.address = address
        self.key = key
    }

    /// The memory so many bytes further on.
    @inlinable
    public func advanced(by byteCount: Int) -> RemoteMemory {
        RemoteMemory(address: address &+ UInt64(truncatingIfNeeded: byteCount), key: key)
    }
}

extension RemoteMemory: LosslessStringConvertible {
    /// From the text of `description`; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, let key = UInt32(parts[0], radix: 16), let address = UInt64(parts[1], radix: 16) else {
            return nil
        }
        self.init(address: address, key: MemoryKey(rawValue: key))
    }

    /// The key and the address in hexadecimal: `1a2b3c@7f0000001000`.
    public var description: String { "\(String(key.rawValue, radix: 16))@\(String(address, radix: 16))" }
}

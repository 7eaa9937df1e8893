#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// A global identifier: the 128-bit address of a guest's port. On RoCEv2 it is an IPv6 address, or an IPv4 address
/// mapped into one (IBA annex A17.4.5).
public struct GID: BitwiseCopyable, Hashable, Sendable {
    /// The first eight bytes, as a big-endian number.
    public let upper: UInt64
    /// The last eight bytes, as a big-endian number.
    public let lower: UInt64

    /// From two halves.
    @inlinable
    public init(upper: UInt64, lower: UInt64) {
        self.upper = upper
        self.lower = lower
    }

    /// An IPv4 address, mapped: `::ffff:a.b.c.d`.
    public init(ipv4 address: UInt32) {
        self.init(upper: 0, lower: 0xffff_0000_0000 | UInt64(address))
    }

    /// From the 16 bytes in network order.
    public init(bytes: (UInt64, UInt64)) {
        self.init(upper: UInt64(bigEndian: bytes.0), lower: UInt64(bigEndian: bytes.1))
    }

    /// The text forms of inet_pton(3): `10.0.0.1` or `fd00::1`. Nil for anything else.
    public init?(_ text: String) {
        var ipv4 = in_addr()
        var ipv6 = in6_addr()
        if inet_pton(AF_INET, text, &ipv4) == 1 {
            self.init(ipv4: UInt32(bigEndian: ipv4.s_addr))
        } else if inet_pton(AF_INET6, text, &ipv6) == 1 {
            let words = ipv6.__in6_u.__u6_addr32
            self.init(
                upper: UInt64(UInt32(bigEndian: words.0)) << 32 | UInt64(UInt32(bigEndian: words.1)),
                lower: UInt64(UInt32(bigEndian: words.2)) << 32 | UInt64(UInt32(bigEndian: words.3)))
        } else {
            return nil
        }
    }

    /// The 16 bytes in network order, as two words to be stored as they are.
    public var networkOrderWords: (UInt64, UInt64) { (upper.bigEndian, lower.bigEndian) }

    /// The 16 bytes in network order.
    public var bytes: [UInt8] {
        [upper, lower].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64($0))) } }
    }

    /// No address.
    public static let zero = GID(upper: 0, lower: 0)

    /// Whether it is no address.
    public var isZero: Bool { upper == 0 && lower == 0 }
    /// Whether it is a mapped IPv4 address (RFC 4291, 2.5.5.2).
    public var isIPv4Mapped: Bool { upper == 0 && lower >> 32 == 0xffff }
    /// Whether it is in fe80::/10 (RFC 4291, 2.5.6).
    public var isLinkLocal: Bool { upper >> 54 == 0xfe80 >> 6 }
    /// Whether it is in ff00::/8 (RFC 4291, 2.7).
    public var isMulticast: Bool { upper >> 56 == 0xff }

    /// The modified EUI-64 identifier of a port that owns this address: locally administered, so that it can be told
    /// from a device's own (RFC 4291, appendix A).
    public var interfaceIdentifier: UInt64 {
        let mixed = isIPv4Mapped ? lower & 0xffff_ffff : (lower ^ upper) & 0xffff_ffff_ffff
        return 0x0200_00ff_fe00_0000 | (mixed & 0xff_ffff) | ((mixed >> 24) & 0xff_ffff) << 40 & 0x00ff_ff00_0000_0000
    }

    /// The link-local address of the port that owns this address (`fe80::/64`, IBA 4.1.1).
    public var linkLocal: GID {
        isLinkLocal ? self : GID(upper: 0xfe80_0000_0000_0000, lower: interfaceIdentifier)
    }
}

extension GID: CustomStringConvertible {
    /// `10.0.0.1` for a mapped IPv4 address, else the IPv6 text form.
    public var description: String {
        if isIPv4Mapped {
            return (0..<4).map { String(lower >> (24 - 8 * UInt64($0)) & 0xff) }.joined(separator: ".")
        }
        let words = networkOrderWords
        var address = in6_addr()
        address.__in6_u.__u6_addr32 = (
            UInt32(truncatingIfNeeded: words.0), UInt32(truncatingIfNeeded: words.0 >> 32),
            UInt32(truncatingIfNeeded: words.1), UInt32(truncatingIfNeeded: words.1 >> 32)
        )
        let capacity = Int(INET6_ADDRSTRLEN)
        let text = [CChar](unsafeUninitializedCapacity: capacity) { buffer, count in
            inet_ntop(AF_INET6, &address, buffer.baseAddress, socklen_t(capacity))
            count = buffer.firstIndex(of: 0) ?? 0
        }
        return String(decoding: text.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

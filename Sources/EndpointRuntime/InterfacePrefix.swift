import Glibc
import Verbs

/// How long the network part of a network interface's addresses is, for commands that add one.
package enum InterfacePrefix {
    /// An address of an interface.
    struct Assigned: Hashable {
        var address: GID
        /// Bits of the network part, of 32 or 128.
        var lengthBits: Int
    }

    /// `ADDRESS/24`, or `ADDRESS/PREFIX` where the interface has no address of that family.
    package static func notation(_ address: GID, ofInterface interface: String?) -> String {
        let length = interface.flatMap { choose(for: address, among: assigned(to: $0)) }
        return "\(address)/\(length.map(String.init) ?? "PREFIX")"
    }

    /// The prefix length of the network that contains the address, or else of the first of its family.
    static func choose(for address: GID, among assigned: [Assigned]) -> Int? {
        let candidates = assigned.filter {
            $0.address.isIPv4Mapped == address.isIPv4Mapped && !$0.address.isLinkLocal && $0.lengthBits > 0
        }
        return (candidates.first { isSameNetwork($0, address) } ?? candidates.first)?.lengthBits
    }

    private static func isSameNetwork(_ assigned: Assigned, _ address: GID) -> Bool {
        let bits = assigned.address.isIPv4Mapped ? assigned.lengthBits &+ 96 : assigned.lengthBits
        let upperMask = bits >= 64 ? UInt64.max : ~(UInt64.max >> UInt64(max(0, bits)))
        let lowerMask = bits >= 128 ? UInt64.max : ~(UInt64.max >> UInt64(max(0, bits &- 64)))
        return (assigned.address.upper ^ address.upper) & upperMask == 0
            && (assigned.address.lower ^ address.lower) & lowerMask == 0
    }

    /// The addresses of an interface, as getifaddrs(3) has them.
    private static func assigned(to interface: String) -> [Assigned] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [] }
        defer { freeifaddrs(list) }
        var found: [Assigned] = []
        var next = list
        while let entry = next?.pointee {
            next = entry.ifa_next
            guard String(cString: entry.ifa_name) == interface, let address = gid(entry.ifa_addr),
                let mask = gid(entry.ifa_netmask)
            else { continue }
            let bits = mask.upper.nonzeroBitCount &+ mask.lower.nonzeroBitCount
            // A mapped mask has the 16 bits of ::ffff:0:0/96, too.
            found.append(Assigned(address: address, lengthBits: address.isIPv4Mapped ? bits &- 16 : bits))
        }
        return found
    }

    private static func gid(_ address: UnsafeMutablePointer<sockaddr>?) -> GID? {
        guard let address else { return nil }
        switch Int32(address.pointee.sa_family) {
        case AF_INET:
            return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                GID(ipv4: UInt32(bigEndian: $0.pointee.sin_addr.s_addr))
            }
        case AF_INET6:
            return address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                withUnsafeBytes(of: $0.pointee.sin6_addr) {
                    GID(
                        bytes: ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                    )
                }
            }
        default: return nil
        }
    }
}

import Testing
import Verbs

/// Addresses and their text forms (inet_pton(3), IBA annex A17.4.5, RFC 4291).
struct GIDTests {
    @Test(arguments: [
        ("10.0.0.1", "10.0.0.1"), ("255.255.255.255", "255.255.255.255"), ("::ffff:192.168.3.4", "192.168.3.4"),
        ("fd00::1", "fd00::1"), ("FE80:0:0:0:0:0:0:1", "fe80::1"), ("::", "::"), ("::1", "::1"),
        ("2001:db8::ff00:42:8329", "2001:db8::ff00:42:8329"),
    ])
    func text(input: String, output: String) throws {
        let gid = try #require(GID(input))
        #expect(gid.description == output)
        #expect(GID(gid.description) == gid)
    }

    @Test(arguments: [
        "", " ", "10.0.0", "10.0.0.256", "10.0.0.1 ", "1.2.3.4.5", "fe80::1%eth0", ":::", "fd00::1::2", "gid", "0x1",
        "10.0.0.1/24",
    ])
    func notAnAddress(text: String) {
        #expect(GID(text) == nil)
    }

    @Test func mapped() {
        let gid = GID(ipv4: 0x0a01_0203)
        #expect(gid.isIPv4Mapped)
        #expect(gid.bytes == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3])
        #expect(gid.description == "10.1.2.3")
        #expect(GID("fd00::1")?.isIPv4Mapped == false)
        // Compatible, not mapped (RFC 4291, 2.5.5.1).
        #expect(GID("::10.1.2.3")?.isIPv4Mapped == false)
    }

    @Test func networkOrder() throws {
        let gid = try #require(GID("0102:0304:0506:0708:090a:0b0c:0d0e:0f10"))
        #expect(gid.bytes == Array(1...16))
        #expect((gid.upper, gid.lower) == (0x0102_0304_0506_0708, 0x090a_0b0c_0d0e_0f10))
        #expect(GID(bytes: gid.networkOrderWords) == gid)
        let words = gid.networkOrderWords
        #expect(withUnsafeBytes(of: words) { Array($0) } == gid.bytes)
    }

    @Test(arguments: [
        ("fe80::1", true), ("febf::1", true), ("fec0::1", false), ("fd00::1", false), ("10.0.0.1", false),
    ])
    func linkLocal(text: String, isLinkLocal: Bool) throws {
        #expect(try #require(GID(text)).isLinkLocal == isLinkLocal)
    }

    @Test func kinds() {
        #expect(GID("ff02::1")?.isMulticast == true)
        #expect(GID("fe80::1")?.isMulticast == false)
        #expect(GID.zero.isZero)
        #expect(GID("::1")?.isZero == false)
    }

    /// The port's own link-local address: locally administered, and another one for each address of a network.
    @Test func derivedLinkLocal() throws {
        let addresses =
            (0..<1000).map { GID(ipv4: 0x0a00_0000 + UInt32($0)) }
            + (0..<1000).map { GID(upper: 0xfd00_0000_0000_0000, lower: UInt64($0)) }
        #expect(Set(addresses.map(\.linkLocal)).count == addresses.count)
        for address in addresses {
            #expect(address.linkLocal.isLinkLocal)
            // The universal/local bit of the EUI-64 form is inverted: 1 is local here.
            #expect(address.interfaceIdentifier >> 57 & 1 == 1)
            #expect(address.interfaceIdentifier >> 24 & 0xffff == 0xfffe)
        }
        let own = try #require(GID("fe80::42"))
        #expect(own.linkLocal == own)
    }
}

import Testing
import Verbs

@testable import EndpointRuntime

/// The prefix length in `ip address add`.
struct InterfacePrefixTests {
    private func assigned(_ text: String, _ lengthBits: Int) throws -> InterfacePrefix.Assigned {
        InterfacePrefix.Assigned(address: try #require(GID(text)), lengthBits: lengthBits)
    }

    private func choose(_ text: String, _ assigned: [InterfacePrefix.Assigned]) throws -> Int? {
        InterfacePrefix.choose(for: try #require(GID(text)), among: assigned)
    }

    @Test func theNetworkOfTheAddressIsPreferred() throws {
        let interface = [
            try assigned("192.168.1.7", 16), try assigned("10.9.0.1", 24), try assigned("fe80::1", 64),
            try assigned("fd00:8::1", 48), try assigned("fd00:9::1", 127), try assigned("10.9.1.1", 32),
        ]
        #expect(try choose("10.9.0.11", interface) == 24)
        #expect(try choose("10.9.1.1", interface) == 32)
        #expect(try choose("192.168.200.1", interface) == 16)
        #expect(try choose("172.16.0.1", interface) == 16)
        #expect(try choose("fd00:9::", interface) == 127)
        #expect(try choose("fd00:9::2", interface) == 48)
    }

    @Test func anInterfaceWithoutSuchAddresses() throws {
        #expect(try choose("10.9.0.11", [try assigned("fd00::1", 64)]) == nil)
        #expect(try choose("fd00::2", [try assigned("fe80::1", 64), try assigned("10.9.0.1", 24)]) == nil)
        #expect(try choose("10.9.0.11", [try assigned("10.9.0.1", 0)]) == nil)
        let address = try #require(GID("10.9.0.11"))
        #expect(InterfacePrefix.notation(address, ofInterface: nil) == "10.9.0.11/PREFIX")
        #expect(InterfacePrefix.notation(address, ofInterface: "no such interface") == "10.9.0.11/PREFIX")
    }

    /// Every machine has it.
    @Test func loopback() throws {
        #expect(InterfacePrefix.notation(try #require(GID("127.0.0.7")), ofInterface: "lo") == "127.0.0.7/8")
    }
}

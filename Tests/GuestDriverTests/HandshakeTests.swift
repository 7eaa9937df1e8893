import CVRDMAABI
import Glibc
import SharedMemory
import TestKit
import Testing
import Verbs

@testable import GuestDriver

private func bytes<Value: BitwiseCopyable>(_ value: Value) -> [UInt8] {
    withUnsafeBytes(of: value) { Array($0) }
}

@Suite struct HandshakeTests {
    private let identity = DeviceIdentity(
        guestIdentifier: 3, name: "blue", address: GID(ipv4: 0x0a00_0001), features: VRDMA_FEATURE_RC)

    private var hello: vrdma_hello {
        var hello = EndpointHandshake.hello(name: "", address: nil)
        hello.role = VRDMA_ROLE_APPLICATION.rawValue
        return hello
    }

    private func welcome(_ packet: [UInt8]) -> vrdma_welcome {
        ApplicationHandshake.welcome(toHello: packet, .available(identity))
    }

    @Test func anApplicationIsWelcome() {
        let welcome = welcome(bytes(hello))
        #expect(welcome.status == 0)
        #expect(welcome.guest_id == 3)
        #expect(welcome.features == VRDMA_FEATURE_RC)
        #expect(FixedText.read(welcome.guest_name) == "blue")
        #expect(bytes(welcome.address) == identity.address.bytes)
    }

    @Test func otherVersionsAreToldBothNumbers() {
        var hello = hello
        hello.major = 2
        hello.minor = 5
        // Of another version only the first fields are known, and so its size is not.
        for count in [8, 60, 120] {
            let welcome = welcome(Array(bytes(hello).prefix(count)))
            #expect(welcome.status == UInt32(EPROTONOSUPPORT))
            let text = FixedText.read(welcome.message)
            #expect(text.contains("2.5") && text.contains("1.0"), "\(text)")
        }
    }

    @Test func aNewerMinorVersionIsWelcome() {
        var hello = hello
        hello.minor = 9
        #expect(welcome(bytes(hello)).status == 0)
    }

    @Test func whatIsNoHelloIsRefused() {
        var wrongMagic = hello
        wrongMagic.magic = 1
        var wrongRole = hello
        wrongRole.role = VRDMA_ROLE_GUEST_DRIVER.rawValue
        #expect(welcome(bytes(wrongMagic)).status == UInt32(EPROTONOSUPPORT))
        #expect(welcome(bytes(wrongRole)).status == UInt32(EINVAL))
        #expect(welcome([]).status == UInt32(EPROTONOSUPPORT))
        #expect(welcome(Array(bytes(hello).dropLast())).status == UInt32(EINVAL))
        #expect(welcome(bytes(hello) + [0]).status == UInt32(EINVAL))
    }

    @Test func refusalsNameTheReason() {
        let missing = ApplicationHandshake.welcome(toHello: bytes(hello), .endpointMissing(path: "/run/e.sock"))
        #expect(missing.status == UInt32(ENODEV))
        #expect(FixedText.read(missing.message).contains("/run/e.sock"))
        let full = ApplicationHandshake.welcome(toHello: bytes(hello), .full(limit: 12))
        #expect(full.status == UInt32(EUSERS))
        #expect(FixedText.read(full.message).contains("12"))
    }

    @Test func theEndpointsWelcomeIsRead() throws {
        var welcome = vrdma_welcome()
        (welcome.magic, welcome.major, welcome.guest_id) = (VRDMA_ABI_MAGIC, 1, 8)
        welcome.features = UInt64.max
        FixedText.write("blue", to: &welcome.guest_name)
        withUnsafeMutableBytes(of: &welcome.address) { $0.copyBytes(from: GID(ipv4: 0x7f00_0001).bytes) }
        let identity = try EndpointHandshake.identity(fromWelcome: bytes(welcome))
        #expect(identity.guestIdentifier == 8)
        #expect(identity.name == "blue")
        #expect(identity.address == GID(ipv4: 0x7f00_0001))
        #expect(identity.features == ProtocolFeatures.all)
    }

    @Test func theEndpointsRefusalIsPassedOn() {
        var welcome = vrdma_welcome()
        (welcome.magic, welcome.major, welcome.status) = (VRDMA_ABI_MAGIC, 1, UInt32(EADDRINUSE))
        FixedText.write("10.0.0.1 belongs to green", to: &welcome.message)
        let refusal = #expect(throws: EndpointRefusal.self) {
            try EndpointHandshake.identity(fromWelcome: bytes(welcome))
        }
        #expect(refusal?.message == "10.0.0.1 belongs to green")
        #expect(refusal?.isTemporary == true)
        welcome.major = 7
        let version = #expect(throws: EndpointRefusal.self) {
            try EndpointHandshake.identity(fromWelcome: Array(bytes(welcome).prefix(8)))
        }
        #expect(version?.error == .protocolNotSupported)
        #expect(version?.message.contains("7.0") == true)
    }

    @Test(arguments: 0..<100) func noPacketIsFatal(_ seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<100 {
            var packet = bytes(hello)
            if Bool.random(using: &generator) { packet = bytes(vrdma_welcome()) }
            packet = Array(packet.prefix(Int.random(in: 0...packet.count, using: &generator)))
            for _ in 0..<Int.random(in: 0...4, using: &generator) where !packet.isEmpty {
                packet[Int.random(in: 0..<packet.count, using: &generator)] = UInt8.random(
                    in: 0...255, using: &generator)
            }
            _ = welcome(packet)
            _ = try? EndpointHandshake.identity(fromWelcome: packet)
        }
    }

    @Test func backoffGrowsToItsLimit() {
        var backoff = Backoff()
        var waits: [UInt64] = []
        for _ in 0..<10 { waits.append(backoff.next()) }
        #expect(waits.first == Backoff.shortestNanoseconds)
        #expect(waits.last == Backoff.longestNanoseconds)
        #expect(waits == waits.sorted())
        backoff.reset()
        #expect(backoff.next() == Backoff.shortestNanoseconds)
    }
}

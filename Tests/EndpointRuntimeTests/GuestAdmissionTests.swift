import CVRDMAABI
import SharedMemory
import Testing
import Verbs

@testable import EndpointRuntime
@testable import LinuxIO
@testable import Service

/// Who may come in, and what it is told.
struct GuestAdmissionTests {
    private let credentials = PacketSocket.Credentials(
        processIdentifier: 1, userIdentifier: 1000, groupIdentifier: 1000)

    private func judge(
        _ greeting: Greeting, byteCount: Int = MemoryLayout<vrdma_hello>.size,
        configuration: EndpointConfiguration = EndpointConfiguration()
    ) throws(GuestAdmission.Refusal) -> GuestAdmission.Admitted {
        try GuestAdmission.judge(
            greeting.hello, byteCount: byteCount, descriptors: greeting.descriptors, credentials: credentials,
            authorization: PeerAuthorization(configuration))
    }

    private func refusal(
        _ change: (inout Greeting) throws -> Void, byteCount: Int = MemoryLayout<vrdma_hello>.size
    ) throws -> Errno? {
        var greeting = try Greeting()
        try change(&greeting)
        do throws(GuestAdmission.Refusal) {
            _ = try judge(greeting, byteCount: byteCount)
            return nil
        } catch {
            #expect(!error.message.isEmpty)
            return error.error
        }
    }

    @Test func admits() throws {
        let greeting = try Greeting(name: "one", address: GID(ipv4: 0x0a01_0203))
        let admitted = try judge(greeting)
        #expect(admitted.name == "one")
        #expect(admitted.address == GID(ipv4: 0x0a01_0203))
        #expect(admitted.kick === greeting.kick)
        #expect(admitted.limits == GuestLimits())
        // The intersection of the features.
        #expect(admitted.features == 15)
        let welcome = GuestAdmission.welcome(admitted, guest: 9)
        #expect((welcome.magic, welcome.major, welcome.minor) == (VRDMA_ABI_MAGIC, 1, 0))
        #expect((welcome.status, welcome.guest_id, welcome.features) == (0, 9, 15))
        #expect(FixedText.read(welcome.guest_name) == "one")
        #expect(withUnsafeBytes(of: welcome.address) { Array($0) } == admitted.address.bytes)
    }

    /// A newer minor version gets the common subset.
    @Test func versions() throws {
        #expect(try refusal { $0.hello.minor = 99 } == nil)
        #expect(try refusal { $0.hello.major = 2 } == .protocolNotSupported)
        #expect(try refusal { $0.hello.major = 0 } == .protocolNotSupported)
        var modest = try Greeting()
        modest.hello.features = VRDMA_FEATURE_RC | 1 << 40
        #expect(try judge(modest).features == VRDMA_FEATURE_RC)
    }

    @Test func malformed() throws {
        #expect(try refusal({ $0.hello.magic = 0 }) == .protocolError)
        #expect(try refusal({ _ in }, byteCount: 0) == .protocolError)
        #expect(try refusal({ _ in }, byteCount: 119) == .protocolError)
        #expect(try refusal({ _ in }, byteCount: 121) == .protocolError)
        #expect(try refusal({ _ in }, byteCount: .max) == .protocolError)
        #expect(try refusal { $0.hello.role = VRDMA_ROLE_APPLICATION.rawValue } == .protocolError)
        #expect(try refusal { $0.hello.role = 0 } == .protocolError)
    }

    @Test func descriptors() throws {
        #expect(try refusal { $0.descriptors = [] } == .protocolError)
        #expect(try refusal { $0.descriptors.removeLast() } == .protocolError)
        #expect(try refusal { $0.descriptors.append($0.kick) } == .protocolError)
        #expect(try refusal { $0.descriptors.reverse() } == .protocolError)
        #expect(try refusal { $0.descriptors[1] = $0.descriptors[0] } == .protocolError)
        #expect(try refusal { $0.descriptors[1] = try PacketSocket.pair().0 } == .protocolError)
        #expect(try refusal { $0.descriptors[0] = try EventDescriptor.create() } == .invalidArgument)
        // A channel of another shape, or one that is too large.
        #expect(
            try refusal { $0.descriptors[0] = try MemoryFile.create(name: "vrdma-test", sizeBytes: 1 << 20) }
                == .invalidArgument)
        #expect(
            try refusal { $0.descriptors[0] = try MemoryFile.create(name: "vrdma-test", sizeBytes: 17 << 20) }
                == .invalidArgument)
    }

    @Test(arguments: ["", "a b", "a/b", "..", "-x", "name\n", "naïve", String(repeating: "x", count: 63)])
    func names(name: String) throws {
        let greeting = try Greeting(name: name)
        let isValid = GuestName.isValid(name)
        if isValid {
            #expect(try judge(greeting).name == name)
        } else {
            #expect(throws: GuestAdmission.Refusal.self) { try judge(greeting) }
        }
    }

    /// A name that fills its field without a zero at the end.
    @Test func endlessName() throws {
        var greeting = try Greeting()
        withUnsafeMutableBytes(of: &greeting.hello.guest_name) { for index in $0.indices { $0[index] = 0x61 } }
        let admitted = try? judge(greeting)
        #expect(admitted == nil || admitted?.name.count == 64)
    }

    @Test(arguments: ["::", "0.0.0.0", "ff02::1", "224.0.0.1", "255.255.255.255"])
    func addresses(text: String) throws {
        let address = try #require(GID(text))
        #expect(throws: GuestAdmission.Refusal.self) { try judge(try Greeting(address: address)) }
    }

    /// With listed guests only, the user must be the guest's, and the address is the configured one.
    @Test func listedGuests() throws {
        var configuration = EndpointConfiguration()
        configuration.admission = .listed
        var limits = GuestLimits()
        limits.queuePairs = 5
        let address = GID(ipv4: 0x0a00_0063)
        configuration.guests = [
            .init(name: "mine", address: address, user: AccountName("1000"), limits: limits, line: 1),
            .init(name: "theirs", address: nil, user: AccountName("1001"), limits: limits, line: 2),
        ]
        var asking = try Greeting(name: "mine", address: .zero)
        let admitted = try judge(asking, configuration: configuration)
        #expect((admitted.address, admitted.limits.queuePairs) == (address, 5))
        asking = try Greeting(name: "mine", address: GID(ipv4: 1))
        for greeting in [asking, try Greeting(name: "theirs"), try Greeting(name: "unlisted")] {
            do throws(GuestAdmission.Refusal) {
                _ = try judge(greeting, configuration: configuration)
                Issue.record("a guest was admitted that is not permitted")
            } catch {
                #expect(error.error == .accessDenied)
            }
        }
    }

    /// A refusal carries its reason as far as it fits.
    @Test func refusals() {
        let long = String(repeating: "reason ", count: 50)
        let welcome = GuestAdmission.refusal(.init(error: .addressInUse, message: long))
        #expect(welcome.status == UInt32(Errno.addressInUse.rawValue))
        #expect(welcome.guest_id == 0)
        #expect(FixedText.read(welcome.message) == long.prefix(127))
    }
}

import Testing
import Verbs

@testable import Service

@Suite struct PeerAuthorizationTests {
    private static let accounts = AccountDatabase(
        userIdentifier: { (name) throws(Errno) in name == "vrdma-blue" ? 900 : nil },
        groupIdentifier: { (_) throws(Errno) in nil })

    private static func authorization(_ text: String) throws -> PeerAuthorization {
        PeerAuthorization(
            try EndpointConfiguration(ConfigurationFile(parsing: text, path: "e.conf")), accounts: accounts)
    }

    private static func address(_ text: String) throws -> GID {
        try #require(GID(text))
    }

    private static let listed = """
        [endpoint]
        guests = listed
        [limits]
        contexts = 5
        [guest blue]
        address = 10.0.0.1
        queue-pairs = 9
        [guest red]
        user = 7
        [guest green]
        user = gone
        """

    @Test func aListedGuestGetsItsAddressAndLimits() throws {
        let authorization = try Self.authorization(Self.listed)
        let blue = try authorization.admit(name: "blue", address: .zero, userIdentifier: 900)
        #expect(blue.address == GID("10.0.0.1"))
        #expect(blue.limits.queuePairs == 9)
        #expect(blue.limits.contexts == 5)
        #expect(try authorization.admit(name: "blue", address: blue.address, userIdentifier: 900) == blue)
        let red = try authorization.admit(name: "red", address: Self.address("10.0.0.9"), userIdentifier: 7)
        #expect(red.address == GID("10.0.0.9"))
    }

    @Test func othersAreRefused() throws {
        let authorization = try Self.authorization(Self.listed)
        let address = try Self.address("10.0.0.9")
        let blue = try Self.address("10.0.0.1")
        func refusal(_ name: String, _ address: GID, _ user: UInt32) -> AuthorizationError? {
            do throws(AuthorizationError) {
                _ = try authorization.admit(name: name, address: address, userIdentifier: user)
                return nil
            } catch {
                return error
            }
        }
        #expect(refusal("yellow", address, 900) == .notListed("yellow"))
        #expect(refusal("a/../b", address, 900) == .invalidName)
        #expect(refusal("blue", .zero, 0) == .wrongUser(guest: "blue", permitted: .name("vrdma-blue"), actual: 0))
        #expect(refusal("red", address, 900) == .wrongUser(guest: "red", permitted: .identifier(7), actual: 900))
        #expect(refusal("green", address, 7) == .userUnknown("green", .unknownUser("gone")))
        #expect(
            refusal("blue", address, 900) == .wrongAddress(guest: "blue", configured: blue, claimed: address))
        #expect(refusal("red", blue, 7) == .addressReserved(blue, guest: "blue"))
        #expect(refusal("red", .zero, 7) == .invalidAddress(.zero))
        #expect(refusal("red", try #require(GID("ff02::1")), 7)?.errno == .invalidArgument)
        #expect(refusal("yellow", address, 900)?.errno == .accessDenied)
        #expect(refusal("red", blue, 7)?.errno == .addressInUse)
    }

    @Test func anyGuestIsAdmittedUnlessItIsListed() throws {
        let authorization = try Self.authorization("[guest blue]\naddress = 10.0.0.1\n")
        let address = try Self.address("fd00::9")
        let other = try authorization.admit(name: "yellow", address: address, userIdentifier: 1000)
        #expect(other == .init(address: address, limits: GuestLimits()))
        #expect(throws: AuthorizationError.self) {
            try authorization.admit(name: "blue", address: .zero, userIdentifier: 1000)
        }
        #expect(throws: AuthorizationError.self) {
            try authorization.admit(name: "yellow", address: Self.address("10.0.0.1"), userIdentifier: 1000)
        }
    }
}

import Testing
import Verbs

@testable import Service

@Suite struct GuestConfigurationTests {
    private func parse(_ text: String, path: String = "/etc/vrdma/guests/blue.conf") throws(ConfigurationError)
        -> GuestConfiguration
    {
        try GuestConfiguration(ConfigurationFile(parsing: text, path: path))
    }

    private func mistakes(_ text: String, path: String = "g.conf") -> [String] {
        do throws(ConfigurationError) {
            _ = try parse(text, path: path)
            return []
        } catch {
            return error.mistakes.map(\.description)
        }
    }

    @Test func theFileNamesTheGuest() throws {
        let guest = try parse("[guest]\naddress = fd00::2\n")
        #expect(guest.name == "blue")
        #expect(guest.address == GID("fd00::2"))
        #expect(guest.applicationSocketPath == "/run/vrdma/guests/blue.sock")
    }

    @Test func theKeyNamesTheGuest() throws {
        let guest = try parse("[guest]\naddress = 10.0.0.2\nname = red\n", path: "x y.conf")
        #expect(guest.name == "red")
        #expect(guest.applicationSocketPath == "/run/vrdma/guests/red.sock")
        #expect(guest.commandTimeoutNanoseconds == 10_000_000_000)
        #expect(guest.registrationTimeoutNanoseconds == 300_000_000_000)
    }

    @Test func mistakesOfTheWholeFile() {
        #expect(
            mistakes("", path: "a b.conf") == [
                "a b.conf: name: the file's name, 'a b', cannot name a guest; add 'name = …' to [guest]: "
                    + GuestName.permitted,
                "a b.conf: address: is missing; add 'address = …' to [guest]: \(GuestAddress.permitted)",
            ])
        #expect(
            mistakes("[guest]\nname = ?\naddress = 224.0.0.1\n[limits]\n") == [
                "g.conf:2: name: '?' cannot name a guest; permitted: \(GuestName.permitted)",
                "g.conf:3: address: '224.0.0.1' is not the address of a host; permitted: \(GuestAddress.permitted)",
                "g.conf:4: unknown section [limits]; known: [guest], [log]",
            ])
        #expect(
            mistakes("[guest]\naddress = 10.0.0.1\nsocket = /run/vrdma/endpoint.sock\n") == [
                "g.conf:3: socket: is the endpoint's socket; give the applications' socket a path of its own"
            ])
    }

    @Test func changesTellWhatNeedsARestart() throws {
        let old = try parse("[guest]\naddress = 10.0.0.1\n")
        let new = try parse("[guest]\naddress = 10.0.0.2\n[log]\nlevel = error\n")
        #expect(
            new.changes(from: old) == [
                ConfigurationChange(key: "guest/address", isReloadable: false),
                ConfigurationChange(key: "log/level", isReloadable: true),
            ])
    }
}

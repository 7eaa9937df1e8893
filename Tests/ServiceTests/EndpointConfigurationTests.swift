import Testing
import Verbs

@testable import Service

@Suite struct EndpointConfigurationTests {
    private func parse(_ text: String) throws(ConfigurationError) -> EndpointConfiguration {
        try EndpointConfiguration(ConfigurationFile(parsing: text, path: "e.conf"))
    }

    private func mistakes(_ text: String) -> [String] {
        do throws(ConfigurationError) {
            _ = try parse(text)
            return []
        } catch {
            return error.mistakes.map(\.description)
        }
    }

    @Test func anEmptyFileGivesTheDefaults() throws {
        let configuration = try parse("")
        #expect(configuration.socketPath == "/run/vrdma/endpoint.sock")
        #expect(configuration.admission == .any)
        #expect(configuration.limits == GuestLimits())
        #expect(configuration.changes(from: EndpointConfiguration()).isEmpty)
    }

    @Test func valuesOfEverySection() throws {
        let configuration = try parse(
            """
            [guest blue]
            address = 10.0.0.7
            queue-pairs = 7
            [endpoint]
            socket = /tmp/e.sock
            owner = root
            group = 12
            mode = 0600
            guests = listed
            [log]
            level = debug
            [limits]
            contexts = 3
            mapped-memory = 1 GiB
            [engine]
            idle-spin = 20 us
            [guest red]
            user = 1000
            """)
        #expect(configuration.socketPath == "/tmp/e.sock")
        #expect(configuration.socketAccess == SocketAccess(owner: .name("root"), group: .identifier(12), mode: 0o600))
        #expect(configuration.admission == .listed)
        #expect(configuration.log.level == .debug)
        #expect(configuration.engine.idleSpinNanoseconds == 20000)
        let blue = try #require(configuration.guest(named: "blue"))
        #expect(blue.address == GID("10.0.0.7"))
        #expect(blue.user == .name("vrdma-blue"))
        #expect(blue.limits.queuePairs == 7)
        #expect(blue.limits.contexts == 3)
        #expect(blue.limits.mappedMemoryBytes == 1 << 30)
        let red = try #require(configuration.guest(named: "red"))
        #expect(red.user == .identifier(1000))
        #expect(red.limits == configuration.limits)
        #expect(configuration.guest(named: "green") == nil)
    }

    @Test func everyMistakeIsReportedAtOnce() {
        #expect(
            mistakes(
                """
                [endpoint]
                sokcet = /x
                mode = 999
                adapter = rocev2
                guests = some
                [limit]
                [limits]
                contexts = 0
                mapped-memory = 1 GB
                message-size =
                [engine]
                idle-spin = 5
                [guest]
                [guest a.b]
                user = -1
                [log x]
                """) == [
                    "e.conf:2: sokcet: unknown key in [endpoint]; did you mean 'socket'?",
                    "e.conf:3: mode: '999' is not a file mode; permitted: an octal number from 0 to 777",
                    "e.conf:4: adapter: the adapter 'rocev2' is not available in this version; permitted: none, verbs",
                    "e.conf:5: guests: 'some' is not permitted; permitted: any, listed",
                    "e.conf:6: unknown section [limit]; did you mean 'limits'?",
                    "e.conf:8: contexts: 0 is below the limits; permitted: a whole number from 1 to 65536",
                    "e.conf:9: mapped-memory: 'GB' is not a unit of size; permitted: a size from 1 MiB to 64 TiB, "
                        + "in bytes or with K, M, G, T (powers of 1024)",
                    "e.conf:10: message-size: has no value; permitted: a size from 4 KiB to 2 GiB, "
                        + "in bytes or with K, M, G, T (powers of 1024)",
                    "e.conf:12: idle-spin: '5' has no unit; permitted: a duration from 0 to 1 s, "
                        + "with ns, us, ms, s or min",
                    "e.conf:13: [guest] needs a name; write [guest NAME]",
                    "e.conf:14: 'a.b' cannot name a guest; permitted: \(GuestName.permitted)",
                    "e.conf:15: user: '-1' can be neither a name nor a number; permitted: \(AccountName.permitted)",
                    "e.conf:16: [log x] takes no name; write [log]",
                ])
    }

    @Test func theHostAdapter() throws {
        #expect(try parse("").host == HostConfiguration())
        #expect(try parse("[endpoint]\nadapter = none\nlocal-path = yes\n").host == HostConfiguration())
        let text = "[endpoint]\nadapter = verbs\ndevice = mlx5_0\ndevice-port = 2\nlocal-path = no\n"
        let configuration = try parse(text)
        #expect(configuration.host.adapter == .verbs)
        #expect(configuration.host.deviceName == "mlx5_0")
        #expect(configuration.host.devicePort == 2)
        #expect(!configuration.host.usesLocalPath)
        #expect(
            configuration.changes(from: try parse(""))
                == ["adapter", "device", "device-port", "local-path"].map {
                    ConfigurationChange(key: "endpoint/\($0)", isReloadable: false)
                })
    }

    @Test func mistakesAboutTheHostAdapter() {
        #expect(
            mistakes("[endpoint]\nmode = 0600\nadapter = verbs\n") == [
                "e.conf:3: adapter: 'verbs' needs a device; add 'device = NAME' to [endpoint]: "
                    + "one that ibv_devices or vrdma doctor lists"
            ])
        #expect(
            mistakes("[endpoint]\ndevice = rxe0\ndevice-port = 2\nlocal-path = no\n") == [
                "e.conf:2: device: is of no use without an adapter; add 'adapter = verbs', or remove it",
                "e.conf:3: device-port: is of no use without an adapter; add 'adapter = verbs', or remove it",
                "e.conf:4: local-path: leaves guests no way to each other; "
                    + "add 'adapter = verbs' and a device, or write 'local-path = yes'",
            ])
        #expect(
            mistakes("[endpoint]\nadapter = verb\ndevice = rxe/0\ndevice-port = 0\nlocal-path = true\n") == [
                "e.conf:2: adapter: 'verb' is not permitted, did you mean 'verbs'?; permitted: none, verbs",
                "e.conf:3: device: 'rxe/0' cannot name a device; permitted: \(HostDeviceName.permitted)",
                "e.conf:4: device-port: 0 is below the limits; permitted: a whole number from 1 to 255",
                "e.conf:5: local-path: 'true' is neither yes nor no; permitted: yes, no",
            ])
        // The name is the only mistake, and not that it is missing.
        #expect(mistakes("[endpoint]\nadapter = verbs\ndevice = ../x\n").count == 1)
    }

    @Test(arguments: ["rxe0", "mlx5_0", "rocep1s0f0np0", "0", "a.b:c-d", String(repeating: "x", count: 63)])
    func deviceNames(name: String) {
        #expect(HostDeviceName.isValid(name))
    }

    @Test(arguments: ["", ".", "..", "-x", "a/b", "a b", "rxe0\n", "é", "a%n", String(repeating: "x", count: 64)])
    func notDeviceNames(name: String) {
        #expect(!HostDeviceName.isValid(name))
    }

    @Test func valuesAreCheckedTogether() {
        #expect(
            mistakes("[endpoint]\nadmin-socket = /run/vrdma/endpoint.sock\n") == [
                "e.conf:2: admin-socket: is the same path as 'socket'; give each socket a path of its own"
            ])
        #expect(
            mistakes("[endpoint]\nguests = listed\n") == [
                "e.conf:2: guests: no guest is listed; add a [guest NAME] section, or write 'guests = any'"
            ])
        #expect(
            mistakes("[guest a]\naddress = 10.0.0.1\n[guest b]\naddress = ::ffff:10.0.0.1\n") == [
                "e.conf:3: address: 10.0.0.1 belongs to guest 'a' already"
            ])
        #expect(
            mistakes("[endpoint]\nmaximum-guests = 1\n[guest a]\n[guest b]\n") == [
                "e.conf:2: maximum-guests: 2 guests are listed, but 1 are permitted"
            ])
    }

    @Test func changesTellWhatNeedsARestart() throws {
        let old = try parse("[guest a]\n")
        let new = try parse("\n\n[guest a]\n[log]\nlevel = debug\n[engine]\nbytes-per-turn = 64K\n")
        #expect(
            new.changes(from: old) == [
                ConfigurationChange(key: "log/level", isReloadable: true),
                ConfigurationChange(key: "engine/bytes-per-turn", isReloadable: false),
            ])
        let listed = try parse("[guest a]\naddress = 10.0.0.1\n")
        #expect(listed.changes(from: old) == [ConfigurationChange(key: "guest", isReloadable: true)])
    }
}

import Endpoint
import Glibc
import LinuxIO
import Service
import Testing
import Verbs

@testable import EndpointRuntime

/// An endpoint with a host adapter: how it starts, and what it says of the device.
final class HostAdapterTests {
    private let directory: String
    private let log = CollectedLog()
    private var configuration = EndpointConfiguration()

    init() throws {
        var template = Array("/tmp/vrdma-host-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno.current }
        directory = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        configuration.socketPath = "\(directory)/endpoint.sock"
        configuration.adminSocketPath = "\(directory)/admin.sock"
        configuration.host.adapter = .verbs
        configuration.host.deviceName = "played0"
    }

    deinit {
        rmdir(directory)
    }

    /// Why the endpoint does not start.
    private func failure(_ factory: HostAdapterFactory?) throws -> EndpointError? {
        let server = try EndpointServer(configuration: configuration, log: log.log, hostAdapter: factory)
        do throws(EndpointError) {
            try server.run()
            return nil
        } catch {
            return error
        }
    }

    @Test func aProgramWithoutAdapters() throws {
        let error = try #require(try failure(nil))
        #expect(error.description.contains("no adapter 'verbs'"))
        #expect(try failure { (_, _) throws(EndpointError) in nil } == error)
    }

    @Test func aDeviceThatDoesNotExist() throws {
        let missing = EndpointError.hostAdapter("device 'played0' does not exist; there are: rxe0")
        #expect(try failure { (_, _) throws(EndpointError) in throw missing } == missing)
        #expect(missing.description.contains("there are: rxe0"))
        #expect(access(configuration.socketPath, F_OK) != 0)
    }

    /// What the administration socket answers.
    private func status() throws -> String {
        let socket = try StreamSocket.connect(path: configuration.adminSocketPath)
        StreamSocket.limitWaits(socket, seconds: 20)
        try StreamSocket.write(socket, Array("status\n".utf8))
        var answer: [UInt8] = []
        while true {
            let part = try StreamSocket.read(socket, limitBytes: 65_536)
            if part.isEmpty { return String(decoding: answer, as: UTF8.self) }
            answer += part
        }
    }

    /// Runs an endpoint meanwhile.
    private func serve(
        _ script: PlayedHostAdapter.Script, isActive: Bool = true, _ body: () throws -> Void
    ) throws {
        let ready = try EventDescriptor.create()
        let server = try EndpointServer(
            configuration: configuration, log: log.log, onReady: { EventDescriptor.signal(ready.rawValue) },
            hostAdapter: { (configuration, _) throws(EndpointError) in
                guard configuration.host.deviceName == "played0" else { return nil }
                return PlayedHostAdapter(script, addresses: [GID(ipv4: 0x0a09_0001)], isActive: isActive)
            })
        let thread = try BackgroundThread(name: "test-endpoint") { try? server.run() }
        defer {
            server.stop()
            thread.join()
        }
        var waited = pollfd(fd: ready.rawValue, events: Int16(POLLIN), revents: 0)
        try #require(poll(&waited, 1, 20_000) == 1, "the endpoint is not ready")
        try body()
    }

    @Test func theDeviceGoesAndComesBack() throws {
        let script = try PlayedHostAdapter.Script()
        configuration.host.devicePort = 2
        try serve(script) {
            #expect(
                log.texts.contains { $0.contains("device=played0 port=2 state=ACTIVE mtu=1024 addresses=10.9.0.1") })
            let before = try status()
            #expect(before.contains("\"device\":\"played0\""))
            #expect(before.contains("\"device_port\":2"))
            #expect(before.contains("\"is_available\":true"))
            #expect(before.contains("\"adapter\":\"verbs\""))
            script.say(.lost)
            while try !status().contains("\"is_available\":false") { sched_yield() }
            while !log.texts.contains(where: { $0.contains("device is gone") }) { sched_yield() }
            script.say(.available)
            while !log.texts.contains(where: { $0.contains("there again") }) { sched_yield() }
            #expect(try status().contains("\"is_available\":true"))
        }
    }

    @Test func aPortThatIsDown() throws {
        try serve(try PlayedHostAdapter.Script(), isActive: false) {
            #expect(log.texts.contains { $0.contains("state=DOWN") })
            #expect(log.texts.contains { $0.contains("not active") })
        }
    }

    /// The log tells of each change once, with the addresses.
    @Test func thePortGoesDownAndUp() throws {
        let script = try PlayedHostAdapter.Script()
        func count(_ text: String) -> Int { log.texts.count { $0.contains(text) } }
        try serve(script) {
            script.setPort(isActive: false)
            while count("port went down") == 0 { sched_yield() }
            script.say(.port(.portError))
            script.setPort(isActive: true)
            while count("port is active adapter=verbs device=played0") == 0 { sched_yield() }
            #expect(count("port went down") == 1)
            #expect(count("state=ACTIVE mtu=1024 addresses=10.9.0.1") == 2)
        }
    }

    /// Nothing is made of it unless the configuration says so.
    @Test func withoutAnAdapter() throws {
        configuration.host = HostConfiguration()
        let ready = try EventDescriptor.create()
        let server = try EndpointServer(
            configuration: configuration, log: log.log, onReady: { EventDescriptor.signal(ready.rawValue) },
            hostAdapter: { (_, _) throws(EndpointError) in throw .hostAdapter("asked for") })
        let thread = try BackgroundThread(name: "test-endpoint") { try? server.run() }
        defer {
            server.stop()
            thread.join()
        }
        var waited = pollfd(fd: ready.rawValue, events: Int16(POLLIN), revents: 0)
        try #require(poll(&waited, 1, 20_000) == 1, "the endpoint is not ready")
        #expect(try !status().contains("\"host\""))
    }
}

import EndpointRuntime
import Glibc
import GuestDriver
import LinuxIO
import Service
import Synchronization
import Verbs

/// An endpoint and the guests `a` (10.0.0.1) and `b` (10.0.0.2), each on a thread of this process.
final class Installation {
    struct NeverHappened: Error {
        var what: String
    }

    private struct Quiet: LogDestination {
        func write(_ record: LogRecord) {}
    }

    private final class Flag: Sendable {
        private let value = Atomic(false)
        var isSet: Bool { value.load(ordering: .acquiring) }
        func set() { value.store(true, ordering: .releasing) }
    }

    private let directory: String
    private let endpoint: EndpointServer
    private var endpointThread: BackgroundThread?
    private var guests: [(server: GuestDriverServer, thread: BackgroundThread)] = []

    init() throws {
        var template = Array("/tmp/vrdma-dropin-XXXXXX\0".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno.current }
        directory = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        var configuration = EndpointConfiguration()
        configuration.socketPath = "\(directory)/endpoint.sock"
        configuration.adminSocketPath = "\(directory)/admin.sock"
        let isReady = Flag()
        endpoint = try EndpointServer(configuration: configuration, log: Log(to: Quiet())) { isReady.set() }
        endpointThread = try BackgroundThread(name: "test-endpoint") { [endpoint] in try? endpoint.run() }
        try Self.eventually("the endpoint is ready") { isReady.isSet }
        try addGuest("a", address: GID(ipv4: 0x0a00_0001))
        try addGuest("b", address: GID(ipv4: 0x0a00_0002))
    }

    func socketPath(_ guest: String) -> String { "\(directory)/\(guest).sock" }

    /// Ends the endpoint, as far as its applications can tell.
    func stopEndpoint() {
        endpoint.stop()
        endpointThread?.join()
        endpointThread = nil
    }

    /// Waits for something that another thread brings about; the limit only ends a test that has failed.
    static func eventually(_ what: String, _ condition: () throws -> Bool) throws {
        for _ in 0..<20_000 {
            if try condition() { return }
            usleep(500)
        }
        throw NeverHappened(what: what)
    }

    private func addGuest(_ name: String, address: GID) throws {
        var configuration = GuestConfiguration(name: name, address: address)
        configuration.endpointSocketPath = "\(directory)/endpoint.sock"
        configuration.applicationSocketPath = socketPath(name)
        var options = GuestDriverOptions()
        options.lossGraceNanoseconds = 1_000_000
        let isReady = Flag()
        let server = try GuestDriverServer(configuration: configuration, log: Log(to: Quiet()), options: options) {
            if case .ready = $0 { isReady.set() }
        }
        guests.append((server, try BackgroundThread(name: "test-guest") { try? server.run() }))
        try Self.eventually("guest \(name) is ready") { isReady.isSet }
    }

    deinit {
        for guest in guests {
            guest.server.stop()
            guest.thread.join()
        }
        stopEndpoint()
        for file in ["endpoint.sock", "admin.sock", "a.sock", "b.sock"] { unlink("\(directory)/\(file)") }
        rmdir(directory)
    }
}

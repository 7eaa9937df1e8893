import EndpointRuntime
import Glibc
import GuestDriver
import LinuxIO
import Service
import Synchronization
import VRDMA

/// An endpoint and guest drivers, each on a thread of this process, with their sockets in a temporary directory.
final class Installation {
    private struct Quiet: LogDestination {
        func write(_ record: LogRecord) {}
    }

    private final class Guest {
        let server: GuestDriverServer
        let thread: BackgroundThread

        init(_ server: GuestDriverServer) throws {
            self.server = server
            thread = try BackgroundThread(name: "test-guest") { try? server.run() }
        }
    }

    let directory: String
    private let endpoint: EndpointServer
    private var endpointThread: BackgroundThread?
    private var guests: [String: Guest] = [:]

    init(prepare: (inout EndpointConfiguration) -> Void = { _ in }) throws {
        var template = Array("/tmp/vrdma-client-XXXXXX\0".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno.current }
        directory = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        var configuration = EndpointConfiguration()
        configuration.socketPath = "\(directory)/endpoint.sock"
        configuration.adminSocketPath = "\(directory)/admin.sock"
        prepare(&configuration)
        let isReady = Flag()
        endpoint = try EndpointServer(configuration: configuration, log: Log(to: Quiet())) { isReady.set() }
        endpointThread = try BackgroundThread(name: "test-endpoint") { [endpoint] in try? endpoint.run() }
        try eventually("the endpoint is ready") { isReady.isSet }
        try addGuest("a", address: GID(ipv4: 0x0a00_0001))
        try addGuest("b", address: GID(ipv4: 0x0a00_0002))
    }

    func addGuest(_ name: String, address: GID) throws {
        var configuration = GuestConfiguration(name: name, address: address)
        configuration.endpointSocketPath = "\(directory)/endpoint.sock"
        configuration.applicationSocketPath = socketPath(name)
        var options = GuestDriverOptions()
        options.lossGraceNanoseconds = 1_000_000
        let isReady = Flag()
        let server = try GuestDriverServer(configuration: configuration, log: Log(to: Quiet()), options: options) {
            if case .ready = $0 { isReady.set() }
        }
        guests[name] = try Guest(server)
        try eventually("guest \(name) is ready") { isReady.isSet }
    }

    func socketPath(_ guest: String) -> String { "\(directory)/\(guest).sock" }

    func open(_ guest: String) throws -> Device {
        try Device.open(socketPath: socketPath(guest))
    }

    /// Ends the endpoint, as far as its applications can tell.
    func stopEndpoint() {
        endpoint.stop()
        endpointThread?.join()
        endpointThread = nil
    }

    func stopGuest(_ name: String) {
        guard let guest = guests.removeValue(forKey: name) else { return }
        guest.server.stop()
        guest.thread.join()
    }

    deinit {
        for name in Array(guests.keys) { stopGuest(name) }
        stopEndpoint()
        for file in ["endpoint.sock", "admin.sock", "a.sock", "b.sock", "c.sock"] { unlink("\(directory)/\(file)") }
        rmdir(directory)
    }
}

/// Something that happens once, on any thread.
final class Flag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { value.load(ordering: .acquiring) }

    func set() { value.store(true, ordering: .releasing) }
}

struct NeverHappened: Error {
    var what: String
}

/// Waits for something that other threads bring about; the limit only ends a test that has failed.
func eventually(_ what: String, _ condition: () throws -> Bool) throws {
    for _ in 0..<20_000 {
        if try condition() { return }
        usleep(500)
    }
    throw NeverHappened(what: what)
}

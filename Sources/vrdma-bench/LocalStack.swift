import Glibc
import VRDMA

/// An endpoint and guests of this measurement's own: the real daemons, with their sockets in a temporary directory.
final class LocalStack {
    let endpoint: Daemon
    private(set) var guests: [Daemon] = []
    private let directory: String
    private static let startLimitMilliseconds = 20_000

    init(guestCount: Int) throws {
        var template = Array("/tmp/vrdma-bench-XXXXXX\0".utf8CString)
        guard mkdtemp(&template) != nil else { throw BenchError("no temporary directory in /tmp") }
        let directory = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        self.directory = directory
        try Interruption.prepare(directory: directory)
        let configuration = """
            [endpoint]
            socket = \(directory)/endpoint.sock
            admin-socket = \(directory)/admin.sock
            maximum-guests = \(max(256, guestCount))
            [log]
            level = error
            """
        do {
            endpoint = try Daemon(
                "vrdma-endpointd", configuration, directory: directory, name: "endpoint",
                socketPath: "\(directory)/endpoint.sock")
        } catch {
            rmdir(directory)
            throw error
        }
        try endpoint.awaitSocket(limitMilliseconds: Self.startLimitMilliseconds)
        for index in 0..<guestCount {
            let configuration = """
                [guest]
                name = g\(index)
                address = 10.99.\(index / 250).\(index % 250 + 1)
                endpoint-socket = \(directory)/endpoint.sock
                socket = \(socketPath(index))
                [log]
                level = error
                """
            guests.append(
                try Daemon(
                    "vrdma-guestd", configuration, directory: directory, name: "g\(index)",
                    socketPath: socketPath(index)))
        }
        for guest in guests { try guest.awaitSocket(limitMilliseconds: Self.startLimitMilliseconds) }
    }

    /// Starts an endpoint and guests, runs a measurement on them, and ends them.
    static func run<Result>(guestCount: Int, _ body: (LocalStack) throws -> Result) throws -> Result {
        let stack = try LocalStack(guestCount: guestCount)
        defer { withExtendedLifetime(stack) {} }
        return try body(stack)
    }

    /// Opens the device of a guest.
    func open(_ guest: Int) throws -> Device {
        try Device.open(socketPath: socketPath(guest))
    }

    private func socketPath(_ guest: Int) -> String { "\(directory)/g\(guest).sock" }

    deinit {
        for guest in guests { guest.requestStop() }
        for guest in guests { guest.stop() }
        endpoint.stop()
        unlink("\(directory)/admin.sock")
        rmdir(directory)
    }
}

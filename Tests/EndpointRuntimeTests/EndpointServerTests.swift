import CVRDMAABI
import Glibc
import LinuxIO
import Service
import SharedMemory
import Testing
import Verbs

@testable import EndpointRuntime

/// A whole endpoint on a thread of its own, and guest drivers that are played here.
final class EndpointServerTests {
    private let directory: String
    private let server: EndpointServer
    private var thread: BackgroundThread?
    private let log = CollectedLog()

    init() throws {
        var template = Array("/tmp/vrdma-endpoint-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno.current }
        directory = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        var configuration = EndpointConfiguration()
        configuration.socketPath = "\(directory)/endpoint.sock"
        configuration.adminSocketPath = "\(directory)/admin.sock"
        configuration.totals.guests = 2
        let ready = try EventDescriptor.create()
        server = try EndpointServer(configuration: configuration, log: log.log) {
            EventDescriptor.signal(ready.rawValue)
        }
        thread = try BackgroundThread(name: "test-endpoint") { [server] in try? server.run() }
        try Self.wait(for: ready)
    }

    deinit {
        server.stop()
        thread?.join()
        rmdir(directory)
    }

    private static func wait(for descriptor: FileDescriptor) throws {
        let poller = try Poller()
        try poller.add(descriptor.rawValue, token: 1)
        var ready: [Poller.Ready] = []
        try poller.wait(timeoutNanoseconds: 20_000_000_000, into: &ready)
        try #require(!ready.isEmpty, "the endpoint does nothing")
    }

    /// Says hello and returns the socket with the answer.
    private func greet(_ greeting: Greeting) throws -> (FileDescriptor, vrdma_welcome) {
        let socket = try PacketSocket.connect(path: "\(directory)/endpoint.sock")
        try withUnsafeBytes(of: greeting.hello) {
            try PacketSocket.send(socket.rawValue, $0, descriptors: greeting.descriptors.map(\.rawValue))
        }
        try Self.wait(for: socket)
        var welcome = vrdma_welcome()
        _ = try withUnsafeMutableBytes(of: &welcome) { try PacketSocket.receive(socket.rawValue, into: $0) }
        return (socket, welcome)
    }

    private func expectEnd(_ socket: FileDescriptor) throws {
        var buffer = [UInt8](repeating: 0, count: 300)
        for _ in 0..<100 {
            try Self.wait(for: socket)
            let received = try buffer.withUnsafeMutableBytes { try PacketSocket.receive(socket.rawValue, into: $0) }
            if received?.byteCount == 0 { return }
        }
        Issue.record("the connection was not ended")
    }

    /// What the administration socket answers.
    private func ask(_ question: String) throws -> String {
        let socket = try StreamSocket.connect(path: "\(directory)/admin.sock")
        StreamSocket.limitWaits(socket, seconds: 20)
        try StreamSocket.write(socket, Array(question.utf8))
        var answer: [UInt8] = []
        while true {
            let part = try StreamSocket.read(socket, limitBytes: 65_536)
            if part.isEmpty { return String(decoding: answer, as: UTF8.self) }
            answer += part
        }
    }

    @Test func commands() throws {
        let greeting = try Greeting(name: "one")
        let (socket, welcome) = try greet(greeting)
        #expect(welcome.status == 0)
        #expect(FixedText.read(welcome.guest_name) == "one")
        var channel = greeting.channel
        for sequence in UInt32(1)...50 {
            let message = vrdma_message(opcode: VRDMA_OP_QUERY_DEVICE.rawValue, sequence: sequence)
            _ = try channel.outgoing.push(message)
            if channel.takePeerKick() { EventDescriptor.signal(greeting.kick.rawValue) }
            // Asks for a wake-up only when the reply is not there already.
            channel.ownKickWanted.exchange(1)
            if channel.incoming.isEmpty { try Self.wait(for: socket) }
            while channel.incoming.isEmpty { sched_yield() }
            let reply = try #require(try channel.incoming.pop())
            #expect((reply.sequence, reply.status) == (sequence, UInt32(EINVAL)))
        }
    }

    @Test func refusals() throws {
        let (first, welcome) = try greet(try Greeting(name: "one"))
        #expect(welcome.status == 0)
        let (second, sameName) = try greet(try Greeting(name: "one", address: GID(ipv4: 0x0a00_0002)))
        #expect(sameName.status == UInt32(EEXIST))
        #expect(FixedText.read(sameName.message).contains("one"))
        try expectEnd(second)
        let (_, sameAddress) = try greet(try Greeting(name: "two"))
        #expect(sameAddress.status == UInt32(EADDRINUSE))
        let (kept, other) = try greet(try Greeting(name: "two", address: GID(ipv4: 0x0a00_0002)))
        #expect(other.status == 0)
        let (_, tooMany) = try greet(try Greeting(name: "three", address: GID(ipv4: 0x0a00_0003)))
        #expect(tooMany.status == UInt32(ENOMEM))
        #expect(FixedText.read(tooMany.message).contains("maximum-guests"))
        _ = (first, kept)
    }

    /// The limit of guests may be raised and lowered while the endpoint runs.
    @Test func reloadedLimit() throws {
        var configuration = EndpointConfiguration()
        for limit in [3, 1] {
            configuration.totals.guests = limit
            server.reload(configuration)
            // The status is asked for after the configuration was taken over.
            #expect(try ask("status\n").contains("\"guest_limit\":\(limit)"))
            let guests = try (1...4).map { number in
                try greet(try Greeting(name: "guest\(number)", address: GID(ipv4: 0x0a00_0000 + UInt32(number))))
            }
            #expect(guests.map(\.1.status) == (1...4).map { $0 <= limit ? 0 : UInt32(ENOMEM) })
            for (socket, _) in guests { shutdown(socket.rawValue, Int32(SHUT_RDWR)) }
            while try ask("status\n").contains("\"driver_pid\"") { sched_yield() }
        }
    }

    /// A guest that breaks the protocol is disconnected, and its name is free again.
    @Test func violation() throws {
        let greeting = try Greeting(name: "one")
        let (socket, _) = try greet(greeting)
        SharedIndex(greeting.channel.mapping.base + 64).release(5000)
        EventDescriptor.signal(greeting.kick.rawValue)
        try expectEnd(socket)
        let (_, again) = try greet(try Greeting(name: "one"))
        #expect(again.status == 0)
    }

    @Test func status() throws {
        let (kept, _) = try greet(try Greeting(name: "one"))
        let status = try ask("status\n")
        #expect(status.hasSuffix("\n"))
        #expect(status.contains("\"name\":\"one\""))
        #expect(status.contains("\"address\":\"10.0.0.1\""))
        #expect(try ask("stop\n").contains("error"))
        #expect(try ask("status").contains("error"))
        _ = kept
    }

    /// A stop removes what a start made.
    @Test func stops() throws {
        let (socket, _) = try greet(try Greeting(name: "one"))
        server.stop()
        thread?.join()
        thread = nil
        #expect(access("\(directory)/endpoint.sock", F_OK) != 0)
        #expect(access("\(directory)/admin.sock", F_OK) != 0)
        try expectEnd(socket)
    }
}

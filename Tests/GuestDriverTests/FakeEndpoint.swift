import CVRDMAABI
import Glibc
import LinuxIO
import SharedMemory
import Verbs

/// An endpoint as a test plays it, in the test's own thread.
final class FakeEndpoint {
    struct TestFailure: Error {
        var what: String
    }

    let directory: String
    var socketPath: String { "\(directory)/endpoint.sock" }
    var applicationSocketPath: String { "\(directory)/guest.sock" }
    private var listener: FileDescriptor?
    private(set) var socket: FileDescriptor?
    private var channel: CommandChannel?
    private(set) var descriptorsByToken: [UInt64: [FileDescriptor]] = [:]

    init() throws {
        var template = Array("/tmp/vrdma-guest-driver-XXXXXX\0".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno.current }
        directory = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        try listen()
    }

    deinit {
        unlink(socketPath)
        unlink(applicationSocketPath)
        rmdir(directory)
    }

    func listen() throws {
        listener = try PacketSocket.listen(path: socketPath)
    }

    /// Waits for a guest driver and takes its channel.
    func acceptGuestDriver(status: UInt32 = 0, message: String = "") throws {
        let socket = try waitFor("a guest driver") { try listener.flatMap(PacketSocket.accept) }
        let (bytes, descriptors) = try waitFor("a hello") { try Self.receive(socket) }
        guard bytes.count == MemoryLayout<vrdma_hello>.size, descriptors.count == 2 else {
            throw TestFailure(what: "hello of \(bytes.count) bytes with \(descriptors.count) descriptors")
        }
        channel = try CommandChannel(Mapping(descriptors[0]), side: .endpoint)
        self.socket = socket
        var welcome = vrdma_welcome()
        (welcome.magic, welcome.major, welcome.guest_id, welcome.status) = (VRDMA_ABI_MAGIC, 1, 1, status)
        welcome.features = VRDMA_FEATURE_RC
        FixedText.write("test", to: &welcome.guest_name)
        FixedText.write(message, to: &welcome.message)
        try withUnsafeBytes(of: welcome) { try PacketSocket.send(socket.rawValue, $0) }
    }

    /// The guest driver's next command.
    func nextCommand() throws -> vrdma_message {
        try waitFor("a command") {
            while let socket, let (bytes, descriptors) = try Self.receive(socket), !bytes.isEmpty {
                let packet = bytes.withUnsafeBytes { $0.loadUnaligned(as: vrdma_descriptor_packet.self) }
                descriptorsByToken[packet.token] = descriptors
            }
            return try channel?.incoming.pop()
        }
    }

    func send(_ message: vrdma_message) throws {
        guard try channel?.outgoing.push(message) == true else { throw TestFailure(what: "the ring is full") }
        if channel?.takePeerKick() == true, let socket {
            try withUnsafeBytes(of: UInt8(1)) { try PacketSocket.send(socket.rawValue, $0) }
        }
    }

    /// Ends like a process that was killed.
    func die() {
        listener = nil
        socket = nil
        channel = nil
        descriptorsByToken = [:]
    }

    static func receive(_ socket: FileDescriptor) throws -> ([UInt8], [FileDescriptor])? {
        try withUnsafeTemporaryAllocation(byteCount: 512, alignment: 8) { buffer in
            guard let received = try PacketSocket.receive(socket.rawValue, into: buffer, blocking: false) else {
                return nil
            }
            return (Array(buffer.prefix(received.byteCount)), received.descriptors)
        }
    }

    /// Repeats until there is a result; the limit only ends a test that would hang.
    func waitFor<Result>(_ what: String, _ attempt: () throws -> Result?) throws -> Result {
        for _ in 0..<20000 {
            if let result = try attempt() { return result }
            usleep(500)
        }
        throw TestFailure(what: "\(what) never came")
    }
}

/// An application as a test plays it.
final class FakeApplication {
    let endpoint: FakeEndpoint
    let socket: FileDescriptor
    let welcome: vrdma_welcome
    private(set) var events: FileDescriptor?
    private var sequence: UInt32 = 0

    init(_ endpoint: FakeEndpoint, major: UInt32 = VRDMA_ABI_MAJOR) throws {
        self.endpoint = endpoint
        let socket = try endpoint.waitFor("the guest driver's socket") {
            try? PacketSocket.connect(path: endpoint.applicationSocketPath)
        }
        self.socket = socket
        var hello = vrdma_hello()
        (hello.magic, hello.major, hello.role) = (VRDMA_ABI_MAGIC, UInt16(major), VRDMA_ROLE_APPLICATION.rawValue)
        hello.features = UInt64.max
        try withUnsafeBytes(of: hello) { try PacketSocket.send(socket.rawValue, $0) }
        let bytes = try endpoint.waitFor("a welcome") { try FakeEndpoint.receive(socket) }.0
        guard bytes.count == MemoryLayout<vrdma_welcome>.size else {
            throw FakeEndpoint.TestFailure(what: "a welcome of \(bytes.count) bytes")
        }
        welcome = bytes.withUnsafeBytes { $0.loadUnaligned(as: vrdma_welcome.self) }
    }

    /// Sends a command; the answer is `reply()`'s.
    func send(_ opcode: vrdma_opcode, descriptors: [FileDescriptor] = []) throws {
        sequence += 1
        let message = vrdma_message(opcode: opcode.rawValue, sequence: sequence)
        try withUnsafeBytes(of: message) {
            try PacketSocket.send(socket.rawValue, $0, descriptors: descriptors.map(\.rawValue))
        }
    }

    func sendOpenContext() throws {
        let (own, others) = try PacketSocket.pair()
        events = own
        let memory = try MemoryFile.create(name: "context", sizeBytes: 4096)
        try send(VRDMA_OP_OPEN_CONTEXT, descriptors: [memory, try EventDescriptor.create(), others])
    }

    func reply() throws -> vrdma_message {
        let bytes = try endpoint.waitFor("a reply") { try FakeEndpoint.receive(socket) }.0
        guard bytes.count == MemoryLayout<vrdma_message>.size else {
            throw FakeEndpoint.TestFailure(what: "a reply of \(bytes.count) bytes")
        }
        let message = bytes.withUnsafeBytes { $0.loadUnaligned(as: vrdma_message.self) }
        guard message.sequence == sequence else { throw FakeEndpoint.TestFailure(what: "another command's reply") }
        return message
    }

    /// Whether the guest driver closes the connection.
    func waitForEnd() throws {
        _ = try endpoint.waitFor("the end of the connection") {
            do {
                return try FakeEndpoint.receive(socket)?.0.isEmpty == true ? true : Bool?.none
            } catch {
                return true
            }
        }
    }

    /// The next asynchronous event.
    func nextEvent() throws -> vrdma_async_event {
        guard let events else { throw FakeEndpoint.TestFailure(what: "no context") }
        let bytes = try endpoint.waitFor("an event") { try FakeEndpoint.receive(events) }.0
        guard bytes.count == MemoryLayout<vrdma_async_event>.size else {
            throw FakeEndpoint.TestFailure(what: "an event of \(bytes.count) bytes")
        }
        return bytes.withUnsafeBytes { $0.loadUnaligned(as: vrdma_async_event.self) }
    }
}

import CVRDMAABI
import FuzzKit
import Glibc
import LinuxIO
import Service
import SharedMemory
import Synchronization
import Verbs

/// A thread that serves one connection after the other, each by what the next input says.
final class HostileDriver: Sendable {
    private let listener: PacketListener
    private let next = Mutex<[UInt8]>([])

    var path: String { listener.path }

    /// Nil when this process has no room.
    init?() {
        guard let listener = PacketListener() else { return nil }
        self.listener = listener
        let started = try? BackgroundThread(name: "hostile-driver") {
            while true {
                listener.wait()
                self.serve()
            }
        }
        guard started != nil else { return nil }
    }

    /// Sets the answers of the next connection.
    func prepare(_ answers: [UInt8]) {
        next.withLock { $0 = answers }
    }

    private func serve() {
        guard let (socket, _) = listener.accept() else { return }
        let bytes = next.withLock { $0 }
        bytes.withUnsafeBytes { buffer in
            var input = FuzzInput(buffer)
            guard Self.sendWelcome(&input, to: socket) else { return }
            var conversation = Conversation(socket: socket)
            while !input.isEmpty, conversation.answer(&input) {}
        }
    }

    private static func sendWelcome(_ input: inout FuzzInput, to socket: FileDescriptor) -> Bool {
        var welcome = vrdma_welcome()
        welcome.magic = VRDMA_ABI_MAGIC
        welcome.major = UInt16(VRDMA_ABI_MAJOR)
        welcome.features = .max
        var bytes = withUnsafeBytes(of: welcome) { Array($0) }
        if input.byte() & 1 == 1 { bytes = input.take(Int(input.byte())) }
        return Conversation.send(bytes, to: socket)
    }
}

/// One connection, with the descriptors that the application gave.
private struct Conversation {
    let socket: FileDescriptor
    private var memory: Mapping?
    /// Where events go: the sockets of the context and of the completion channel.
    private var eventSockets: [FileDescriptor] = []

    init(socket: FileDescriptor) {
        self.socket = socket
    }

    /// Answers the next command. False at the end.
    mutating func answer(_ input: inout FuzzInput) -> Bool {
        var command = vrdma_message()
        let received = withUnsafeMutableBytes(of: &command) {
            try? PacketSocket.receive(socket.rawValue, into: $0)
        }
        guard let received, received.byteCount > 0 else { return false }
        keep(received.descriptors)
        let choice = input.byte()
        if choice & 2 != 0, let memory {
            let offset = Int(input.word()) % (memory.sizeBytes - 64)
            input.write(to: memory.base + offset, count: 64)
        }
        if choice & 4 != 0, let events = eventSockets.last {
            _ = Self.send(input.take(Int(input.byte() & 31)), to: events)
        }
        if choice & 1 == 1 { return Self.send(input.take(Int(input.word() & 511)), to: socket) }
        var reply = command.reply(status: choice & 8 == 0 ? 0 : input.word())
        reply.payload_bytes = choice & 16 == 0 ? UInt16(VRDMA_MESSAGE_PAYLOAD_BYTES) : input.take(as: UInt16.self)
        let length = choice & 32 == 0 ? 8 : 128
        withUnsafeMutableBytes(of: &reply.payload) { $0.copyBytes(from: input.take(length)) }
        return Self.send(withUnsafeBytes(of: reply) { Array($0) }, to: socket)
    }

    static func send(_ bytes: [UInt8], to socket: FileDescriptor) -> Bool {
        let result: Void? = bytes.withUnsafeBytes { try? PacketSocket.send(socket.rawValue, $0, blocking: false) }
        return result != nil
    }

    private mutating func keep(_ descriptors: [FileDescriptor]) {
        if let file = descriptors.first, descriptors.count == 3 { memory = try? Mapping(file) }
        if let last = descriptors.last, PacketSocket.isPacketSocket(last) { eventSockets.append(last) }
    }
}

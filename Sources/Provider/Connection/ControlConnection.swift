import CLinux
import CVRDMAABI
import Glibc
import LinuxIO
import SharedMemory
import Verbs

/// The control connection of one context to the guest driver: one request at a time, each answered before the next.
final class ControlConnection: @unchecked Sendable {
    let socket: FileDescriptor
    let welcome: vrdma_welcome
    let mutex = PosixMutex()
    private var sequence: UInt32 = 0
    /// The connection is broken; every later call throws `EIO`.
    private var isBroken = false

    /// Connects and exchanges hello and welcome.
    ///
    /// Throws what connect(2) throws, `EPROTONOSUPPORT` for another major version, `EPROTO` for an answer that is
    /// none, and the status that the guest driver gives.
    init(socketPath: String) throws(Errno) {
        socket = try PacketSocket.connect(path: socketPath)
        var hello = vrdma_hello()
        hello.magic = VRDMA_ABI_MAGIC
        hello.major = UInt16(VRDMA_ABI_MAJOR)
        hello.minor = UInt16(VRDMA_ABI_MINOR)
        hello.role = VRDMA_ROLE_APPLICATION.rawValue
        hello.features = Self.supportedFeatures
        try Self.send(socket, &hello)
        welcome = try Self.receiveWelcome(socket)
    }

    /// What this library can use; the welcome says what is in force.
    static let supportedFeatures = UInt64(
        VRDMA_FEATURE_RC | VRDMA_FEATURE_ATOMICS | VRDMA_FEATURE_ZERO_BASED | VRDMA_FEATURE_ARM_CQ)

    /// Whether ARM_CQ may be sent, and the flags of a handle's reply mean something.
    var hasArmCommand: Bool { welcome.features & UInt64(VRDMA_FEATURE_ARM_CQ) != 0 }

    /// Sends a command and waits for its reply; the reply's payload is the result.
    ///
    /// Throws the status of the reply, or `EIO` when the guest driver is gone.
    func call<Payload: BitwiseCopyable>(
        _ opcode: vrdma_opcode, _ payload: Payload, descriptors: [Int32] = []
    ) throws(Errno) -> vrdma_message {
        mutex.lock()
        defer { mutex.unlock() }
        guard !isBroken else { throw .inputOutput }
        sequence &+= 1
        var command = vrdma_message(opcode: opcode.rawValue, sequence: sequence)
        command.setPayload(payload)
        try sendCommand(&command, descriptors)
        let reply = try receiveReply(to: command)
        guard reply.status == 0 else { throw Errno(rawValue: Int32(truncatingIfNeeded: reply.status)) }
        return reply
    }

    /// A command without a payload.
    func call(_ opcode: vrdma_opcode, descriptors: [Int32] = []) throws(Errno) -> vrdma_message {
        try call(opcode, EmptyPayload(), descriptors: descriptors)
    }

    /// A command whose reply carries `Reply`; a shorter one is `EPROTO`.
    func call<Payload: BitwiseCopyable, Reply: BitwiseCopyable>(
        _ opcode: vrdma_opcode, _ payload: Payload, descriptors: [Int32] = [], reply: Reply.Type
    ) throws(Errno) -> Reply {
        guard let result = try call(opcode, payload, descriptors: descriptors).payload(as: reply) else {
            throw .protocolError
        }
        return result
    }

    /// Whether a call found the guest driver gone.
    var isGone: Bool { mutex.withLock { isBroken } }

    private struct EmptyPayload: BitwiseCopyable {}

    private func sendCommand(_ command: inout vrdma_message, _ descriptors: [Int32]) throws(Errno) {
        do throws(Errno) {
            try Self.send(socket, &command, descriptors: descriptors)
        } catch {
            // Others, as a limit of descriptors in flight, leave the connection as it was.
            guard error.rawValue == EPIPE || error == .connectionReset else { throw error }
            isBroken = true
            throw .inputOutput
        }
    }

    private func receiveReply(to command: vrdma_message) throws(Errno) -> vrdma_message {
        var reply = vrdma_message()
        do throws(Errno) {
            let received = try Self.receive(socket, into: &reply)
            if received?.byteCount == MemoryLayout<vrdma_message>.size, reply.sequence == command.sequence,
                reply.opcode == command.opcode
            {
                return reply
            }
        } catch {}
        isBroken = true
        throw .inputOutput
    }

    private static func receiveWelcome(_ socket: FileDescriptor) throws(Errno) -> vrdma_welcome {
        var welcome = vrdma_welcome()
        let received = try receive(socket, into: &welcome)
        guard let received, received.byteCount == MemoryLayout<vrdma_welcome>.size,
            welcome.magic == VRDMA_ABI_MAGIC
        else { throw received?.byteCount == 0 ? .connectionReset : .protocolError }
        guard welcome.status == 0 else { throw Errno(rawValue: Int32(truncatingIfNeeded: welcome.status)) }
        guard welcome.major == UInt16(VRDMA_ABI_MAJOR) else { throw .protocolNotSupported }
        return welcome
    }

    private static func send<Packet: BitwiseCopyable>(
        _ socket: FileDescriptor, _ packet: inout Packet, descriptors: [Int32] = []
    ) throws(Errno) {
        try withUnsafeBytes(of: &packet) { bytes throws(Errno) in
            try PacketSocket.send(socket.rawValue, bytes, descriptors: descriptors)
        }
    }

    private static func receive<Packet: BitwiseCopyable>(
        _ socket: FileDescriptor, into packet: inout Packet
    ) throws(Errno) -> PacketSocket.Received? {
        try withUnsafeMutableBytes(of: &packet) { bytes throws(Errno) in
            try PacketSocket.receive(socket.rawValue, into: bytes)
        }
    }
}

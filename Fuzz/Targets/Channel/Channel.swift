import CVRDMAABI
import FuzzKit
@testable import LinuxIO
import SharedMemory
import Verbs

@testable import EndpointRuntime

/// A guest driver that writes anything into the command channel and onto its socket. The first byte says whether the
/// channel's header is the input's; then a byte chooses what happens, and its operands follow.
@main
enum Channel: FuzzTarget {
    private static let entryCount: UInt32 = 4
    private static let commandOffset: UInt32 = 4096
    private static let maximumSteps = 200

    static func run(_ input: inout FuzzInput) {
        let bytes = 4096 + 2 * Int(entryCount) * MemoryLayout<vrdma_message>.size
        guard let mapping = try? Mapping(name: "fuzz-channel", sizeBytes: bytes),
            let sockets = try? PacketSocket.pair(), let kick = try? EventDescriptor.create()
        else { return }
        var header = vrdma_channel_header()
        header.magic = VRDMA_ABI_MAGIC
        header.major = UInt16(VRDMA_ABI_MAJOR)
        header.command_entries = entryCount
        header.command_offset = commandOffset
        header.completion_entries = entryCount
        header.completion_offset = commandOffset + entryCount * VRDMA_MESSAGE_BYTES
        mapping.base.storeBytes(of: header, as: vrdma_channel_header.self)
        if input.byte() & 1 == 1 { input.write(to: mapping.base, count: 64) }
        guard let channel = try? CommandChannel(mapping, side: .endpoint) else { return }
        var connection = GuestConnection(
            socket: sockets.0, kick: kick, guest: 1,
            credentials: .init(processIdentifier: 1, userIdentifier: 1, groupIdentifier: 1), channel: channel)
        do throws(GuestConnection.Ended) {
            for _ in 0..<maximumSteps where !input.isEmpty {
                try step(input.byte(), &input, mapping, sockets.1, &connection)
            }
        } catch {
            if error.reason.isEmpty { fuzzFailure("an end without a reason") }
        }
    }

    private static func step(
        _ choice: UInt8, _ input: inout FuzzInput, _ mapping: Mapping, _ socket: FileDescriptor,
        _ connection: inout GuestConnection
    ) throws(GuestConnection.Ended) {
        let tail = SharedIndex(mapping.base + 64)
        switch choice & 7 {
        case 0:
            let position = Int(input.byte() & 3) * Int(VRDMA_MESSAGE_BYTES)
            input.write(to: mapping.base + Int(commandOffset) + position, count: Int(VRDMA_MESSAGE_BYTES))
        case 1: tail.exchange(input.word())
        case 2: SharedIndex(mapping.base + 4 * Int(input.byte() & 127)).exchange(input.word())
        case 3: send(input.take(Int(input.byte() & 31)), descriptorCount: Int(choice >> 3 & 7), socket)
        case 4: try connection.receiveDescriptors()
        case 5:
            let packet = vrdma_descriptor_packet(
                magic: VRDMA_ABI_MAGIC, descriptor_count: UInt32(choice >> 3 & 7), token: UInt64(input.byte()))
            send(withUnsafeBytes(of: packet) { Array($0) }, descriptorCount: Int(choice >> 3 & 7), socket)
        case 6:
            // An honest guest driver takes what the endpoint has answered.
            SharedIndex(mapping.base + 192 + 64).exchange(SharedIndex(mapping.base + 192).relaxed())
            tail.exchange(tail.relaxed() &+ UInt32(choice >> 3 & 7))
            try serve(&connection)
        default:
            if connection.prepareToSleep() { connection.wake() }
            try serve(&connection)
        }
    }

    private static func serve(_ connection: inout GuestConnection) throws(GuestConnection.Ended) {
        let count = try connection.serve { command, descriptors in
            if descriptors.count > VRDMA_MAX_DESCRIPTORS { fuzzFailure("too many descriptors") }
            return command.reply()
        }
        if count > 32 { fuzzFailure("\(count) commands in one round") }
    }

    private static func send(_ bytes: [UInt8], descriptorCount: Int, _ socket: FileDescriptor) {
        let descriptors = [Int32](repeating: socket.rawValue, count: descriptorCount)
        bytes.withUnsafeBytes {
            try? PacketSocket.send(socket.rawValue, $0, descriptors: descriptors, blocking: false)
        }
    }
}

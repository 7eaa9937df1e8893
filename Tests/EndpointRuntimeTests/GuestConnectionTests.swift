import CVRDMAABI
import Endpoint
import Glibc
import LinuxIO
import SharedMemory
import Testing
import Verbs

@testable import EndpointRuntime

/// The endpoint's side of a guest driver: commands from the channel, descriptors from the socket.
final class GuestConnectionTests {
    private var connection: GuestConnection
    private var driver: CommandChannel
    private let socket: FileDescriptor

    init() throws {
        let greeting = try Greeting()
        let (own, theirs) = try PacketSocket.pair()
        socket = own
        driver = greeting.channel
        connection = GuestConnection(
            socket: theirs, kick: greeting.kick, guest: 1, credentials: try PacketSocket.credentials(theirs),
            channel: try CommandChannel(Mapping(greeting.descriptors[0]), side: .endpoint))
    }

    private func push(_ sequence: UInt32, token: UInt64 = 0) throws {
        var message = vrdma_message(opcode: VRDMA_OP_ALLOC_PD.rawValue, sequence: sequence)
        message.descriptor_token = token
        let wasPushed = try driver.outgoing.push(message)
        #expect(wasPushed)
    }

    private func send(
        token: UInt64, count: UInt32? = nil, _ descriptors: [FileDescriptor], magic: UInt32 = VRDMA_ABI_MAGIC,
        size: Int = MemoryLayout<vrdma_descriptor_packet>.size
    ) throws {
        let packet = vrdma_descriptor_packet(
            magic: magic, descriptor_count: count ?? UInt32(descriptors.count), token: token)
        try withUnsafeBytes(of: packet) { bytes in
            try PacketSocket.send(
                socket.rawValue, UnsafeRawBufferPointer(rebasing: bytes[..<size]),
                descriptors: descriptors.map(\.rawValue), blocking: false)
        }
    }

    /// Serves once; returns the commands with how many descriptors each had.
    private func serve() throws -> [(sequence: UInt32, descriptors: Int)] {
        var served: [(UInt32, Int)] = []
        let count = try connection.serve { command, descriptors in
            served.append((command.sequence, descriptors.count))
            return command.reply()
        }
        #expect(count == served.count)
        return served
    }

    private func takeReplies() throws -> [UInt32] {
        var replies: [UInt32] = []
        while let reply = try driver.incoming.pop() { replies.append(reply.sequence) }
        return replies
    }

    @Test func commandsInOrder() throws {
        for sequence in UInt32(0)..<100 { try push(sequence) }
        var served: [UInt32] = []
        for _ in 0..<10 {
            let round = try serve()
            // A bounded number in each round.
            #expect(round.count <= 32)
            served += round.map(\.sequence)
        }
        #expect(served == Array(0..<100))
        #expect(try takeReplies() == Array(0..<100))
    }

    @Test func descriptors() throws {
        try send(token: 7, [socket, socket])
        try send(token: 8, [socket])
        try connection.receiveDescriptors()
        try push(1, token: 8)
        try push(2, token: 7)
        try push(3)
        // The token of a command that was served already, and one that never came.
        try push(4, token: 7)
        try push(5, token: 99)
        #expect(try serve().map(\.descriptors) == [1, 2, 0, 0, 0])
    }

    /// Descriptors are sent before their command, and found also when nobody has read the socket yet.
    @Test func unreadDescriptors() throws {
        try send(token: 7, [socket])
        try push(1, token: 7)
        #expect(try serve().map(\.descriptors) == [1])
    }

    private func expectViolation(sourceLocation: SourceLocation = #_sourceLocation) {
        do throws(GuestConnection.Ended) {
            try connection.receiveDescriptors()
            Issue.record("the packet was accepted", sourceLocation: sourceLocation)
        } catch {
            #expect(error.isViolation, sourceLocation: sourceLocation)
        }
    }

    @Test func malformedPackets() throws {
        try send(token: 1, [socket], magic: 0)
        expectViolation()
        try send(token: 0, [socket])
        expectViolation()
        try send(token: 1, count: 2, [socket])
        expectViolation()
        try send(token: 1, count: .max, [])
        expectViolation()
        try send(token: 1, [socket, socket, socket, socket])
        expectViolation()
        try send(token: 1, [socket], size: 8)
        expectViolation()
        try send(token: 5, [socket])
        try send(token: 5, [socket])
        expectViolation()
    }

    /// Packets without commands are kept, up to a limit.
    @Test func unclaimedDescriptors() throws {
        for token in UInt64(1)...64 {
            try send(token: token, [])
            try connection.receiveDescriptors()
        }
        try send(token: 65, [])
        expectViolation()
    }

    @Test func closedSocket() throws {
        shutdown(socket.rawValue, Int32(SHUT_RDWR))
        do throws(GuestConnection.Ended) {
            try connection.receiveDescriptors()
            Issue.record("the end of the connection was not seen")
        } catch {
            #expect(!error.isViolation)
        }
    }

    @Test(arguments: [UInt32(300), 0x8000_0000, .max])
    func commandIndexOutOfRange(tail: UInt32) throws {
        SharedIndex(driver.mapping.base + 64).release(tail)
        #expect(throws: GuestConnection.Ended.self) { try serve() }
    }

    /// A guest driver that does not take its replies.
    @Test func fullCompletionRing() throws {
        var thrown = false
        for sequence in UInt32(0)..<600 where !thrown {
            try push(sequence)
            do { _ = try serve() } catch { thrown = true }
        }
        #expect(thrown)
    }

    /// A command whose reply comes later holds no other up.
    @Test func lateReplies() throws {
        for sequence in UInt32(1)...3 { try push(sequence) }
        var late: [vrdma_message] = []
        let count = try connection.serve { command, _ in
            guard command.sequence != 2 else {
                late.append(command.reply())
                return nil
            }
            return command.reply()
        }
        #expect(count == 3)
        #expect(try takeReplies() == [1, 3])
        driver.ownKickWanted.exchange(1)
        try connection.answer(try #require(late.first))
        #expect(try takeReplies() == [2])
        // It was woken for it.
        var byte: UInt8 = 0
        let wake = try withUnsafeMutableBytes(of: &byte) {
            try PacketSocket.receive(socket.rawValue, into: $0, blocking: false)
        }
        #expect(wake?.byteCount == 1)
    }

    /// Late replies that nobody takes end the connection as others do.
    @Test func tooManyLateReplies() throws {
        let reply = vrdma_message(opcode: VRDMA_OP_REG_MR.rawValue).reply()
        for _ in 0..<CommandChannel.defaultEntryCount { try connection.answer(reply) }
        #expect(throws: GuestConnection.Ended.self) { try connection.answer(reply) }
    }

    /// Wakes a guest driver that sleeps, once, by a packet.
    @Test func wakesTheGuestDriver() throws {
        var byte: UInt8 = 0
        func packets() throws -> Int {
            var count = 0
            while try withUnsafeMutableBytes(
                of: &byte,
                {
                    try PacketSocket.receive(socket.rawValue, into: $0, blocking: false)
                }) != nil
            { count += 1 }
            return count
        }
        try push(1)
        _ = try serve()
        #expect(try packets() == 1)
        try push(2)
        _ = try serve()
        #expect(try packets() == 0)
        driver.ownKickWanted.exchange(1)
        for sequence in UInt32(3)..<10 { try push(sequence) }
        _ = try serve()
        #expect(try packets() == 1)
    }

    /// A socket that is full of wake-ups holds nobody up.
    @Test func fullSocket() throws {
        for sequence in UInt32(0)..<5000 {
            driver.ownKickWanted.exchange(1)
            try push(sequence)
            #expect(try serve().count == 1)
            #expect(try takeReplies() == [sequence])
        }
    }

    @Test func sleeping() throws {
        #expect(connection.prepareToSleep())
        try push(1)
        #expect(driver.takePeerKick())
        connection.wake()
        #expect(!driver.takePeerKick())
        // A command that came just before.
        #expect(!connection.prepareToSleep())
        _ = try serve()
        #expect(connection.prepareToSleep())
    }
}

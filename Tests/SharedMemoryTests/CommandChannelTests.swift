import CVRDMAABI
import LinuxIO
import SharedMemory
import Testing
import Verbs

/// The command channel and its two rings.
final class CommandChannelTests {
    private let mapping: Mapping
    private var driver: CommandChannel
    private var endpoint: CommandChannel

    init() throws {
        driver = try CommandChannel.create()
        mapping = try Mapping(try driver.mapping.file.duplicate())
        endpoint = try CommandChannel(mapping, side: .endpoint)
    }

    private func message(_ sequence: UInt32) -> vrdma_message {
        var message = vrdma_message(opcode: VRDMA_OP_ALLOC_PD.rawValue, sequence: sequence, context: 3)
        message.setPayload((UInt64(sequence), UInt64(sequence) * 3))
        return message
    }

    private func word(_ offset: Int) -> SharedIndex { SharedIndex(mapping.base + offset) }

    @Test func bothWays() throws {
        #expect(try driver.outgoing.push(message(5)))
        #expect(!endpoint.incoming.isEmpty)
        let command = try #require(try endpoint.incoming.pop())
        #expect((command.sequence, command.context) == (5, 3))
        #expect(try endpoint.incoming.pop() == nil)
        #expect(try endpoint.outgoing.push(command.reply(status: 22)))
        let reply = try #require(try driver.incoming.pop())
        #expect((reply.sequence, reply.opcode, reply.status, reply.payload_bytes) == (5, command.opcode, 22, 0))
        #expect(endpoint.incoming.isEmpty)
        #expect(driver.incoming.isEmpty)
    }

    @Test func wrapsAround() throws {
        for turn in UInt32(0)..<10 {
            for step in UInt32(0)..<100 { #expect(try driver.outgoing.push(message(turn * 100 + step))) }
            for step in UInt32(0)..<100 {
                let received = try #require(try endpoint.incoming.pop())
                #expect(received.sequence == turn * 100 + step)
                #expect(received.payload(as: (UInt64, UInt64).self)?.1 == UInt64(received.sequence) * 3)
            }
        }
    }

    @Test func full() throws {
        for sequence in 0..<CommandChannel.defaultEntryCount {
            #expect(try driver.outgoing.push(message(sequence)))
        }
        #expect(try !driver.outgoing.push(message(999)))
        #expect(try endpoint.incoming.pop()?.sequence == 0)
        #expect(try driver.outgoing.push(message(999)))
        #expect(try !driver.outgoing.push(message(1000)))
    }

    /// A tail that is more than a ring ahead, or behind.
    @Test(arguments: [UInt32(257), 0x8000_0000, .max])
    func violationOfTheProducer(tail: UInt32) throws {
        word(64).release(tail)
        #expect(throws: MessageRing.Violation.self) { try endpoint.incoming.pop() }
    }

    /// A head that is ahead of the tail, or too far behind.
    @Test(arguments: [UInt32(1), 0x8000_0000, 0xffff_fe00])
    func violationOfTheConsumer(head: UInt32) throws {
        word(256).release(head)
        #expect(throws: MessageRing.Violation.self) { try endpoint.outgoing.push(message(1)) }
    }

    /// The reader's own index is its own: what the peer writes there is not looked at.
    @Test func ownIndexIsNotReadBack() throws {
        #expect(try driver.outgoing.push(message(1)))
        word(128).release(77)
        #expect(try endpoint.incoming.pop()?.sequence == 1)
        #expect(word(128).acquire() == 1)
    }

    @Test func kicks() {
        // Both sleep at the start.
        #expect(driver.takePeerKick())
        #expect(!driver.takePeerKick())
        endpoint.ownKickWanted.exchange(1)
        #expect(driver.takePeerKick())
        #expect(endpoint.takePeerKick())
        #expect(!endpoint.takePeerKick())
        // Only the value 1 means a wish.
        endpoint.ownKickWanted.exchange(2)
        #expect(!driver.takePeerKick())
    }

    /// Shapes that a guest driver can write into the header.
    @Test func shapes() throws {
        func refusal(_ change: (inout vrdma_channel_header) -> Void) throws -> Errno? {
            let mapping = try Mapping(try CommandChannel.create().mapping.file.duplicate())
            change(&mapping.base.assumingMemoryBound(to: vrdma_channel_header.self).pointee)
            do throws(Errno) {
                _ = try CommandChannel(mapping, side: .endpoint)
                return nil
            } catch {
                return error
            }
        }
        #expect(try refusal { _ in } == nil)
        #expect(try refusal { $0.minor = 99 } == nil)
        #expect(try refusal { $0.major = 2 } == .protocolNotSupported)
        let changes: [(inout vrdma_channel_header) -> Void] = [
            { $0.magic = 0 }, { $0.command_entries = 0 }, { $0.command_entries = 3 }, { $0.command_entries = .max },
            { $0.command_entries = 1 << 31 }, { $0.completion_entries = 0 }, { $0.completion_entries = 100 },
            { $0.completion_entries = 1 << 30 }, { $0.command_offset = 0 }, { $0.command_offset = 448 },
            { $0.command_offset = 4097 }, { $0.command_offset = .max }, { $0.completion_offset = 64 },
            { $0.completion_offset = .max - 63 }, { $0.completion_offset += 64 },
        ]
        for (position, change) in changes.enumerated() {
            #expect(try refusal(change) == .invalidArgument, "change \(position)")
        }
    }

    @Test func tooSmall() throws {
        let small = try Mapping(name: "vrdma-test", sizeBytes: 4095)
        #expect(throws: Errno.invalidArgument) { try CommandChannel(small, side: .endpoint) }
    }

    /// Random pushes and pops against a queue.
    @Test(arguments: Seeds.first(4))
    func model(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var model: [UInt32] = []
        for sequence in UInt32(0)..<3000 {
            if Bool.random(using: &generator) {
                let wasPushed = try driver.outgoing.push(message(sequence))
                #expect(wasPushed == (model.count < Int(CommandChannel.defaultEntryCount)))
                if wasPushed { model.append(sequence) }
            } else {
                let expected = model.isEmpty ? nil : model.removeFirst()
                #expect(try endpoint.incoming.pop()?.sequence == expected)
            }
            if sequence % 1000 < 400, model.count < 200 {
                #expect(try driver.outgoing.push(message(sequence)))
                model.append(sequence)
            }
        }
    }
}

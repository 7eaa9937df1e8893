import CVRDMAABI
import Testing
import Verbs

/// Messages without a byte: legal with every operation that has a length, with keys that nobody checks
/// (IBA vol. 1, 9.7.4.1.5: the R_Key is not checked when the length is zero).
struct ZeroLengthTests {
    private static let noKey: UInt32 = 0xdead_beef

    /// No element, or elements of no bytes.
    private func elements(_ kind: Int) -> [vrdma_sge] {
        let empty = vrdma_sge(address: 1, length: 0, lkey: Self.noKey)
        return [[], [empty], [empty, empty, empty]][kind]
    }

    @Test(arguments: [WorkRequestOpcode.rdmaWrite, .rdmaRead], 0..<3)
    func oneSided(opcode: WorkRequestOpcode, kind: Int) throws {
        let pair = try ConnectedPair()
        let before = pair.b.buffer.bytes
        let request = SendRequest(opcode, elements(kind)).with {
            $0.remoteAddress = .max
            $0.remoteKey = Self.noKey
        }
        let completions = pair.run(request)
        #expect(completions.map(\.status) == [.success])
        #expect(completions.first?.byteLength == 0)
        #expect(pair.b.buffer.bytes == before)
        #expect(try pair.b.queuePair.state() == .readyToSend)
    }

    @Test(arguments: [WorkRequestOpcode.send, .sendWithImmediate, .rdmaWriteWithImmediate], 0..<3)
    func consumingAReceive(opcode: WorkRequestOpcode, kind: Int) throws {
        let pair = try ConnectedPair()
        // Also where the receive has nowhere to put anything.
        pair.b.queuePair.postReceive(9, elements: elements(2 - kind))
        let request = SendRequest(opcode, elements(kind)).with {
            $0.remoteKey = Self.noKey
            $0.immediate = 3
        }
        #expect(pair.run(request).map(\.status) == [.success])
        let received = try #require(pair.b.receiveQueue.poll())
        #expect(received.identifier == 9)
        #expect(received.status == .success)
        #expect(received.byteLength == 0)
        #expect(received.immediate == (opcode == .send ? nil : 3))
    }

    /// The queue pair's own rights count also for nothing.
    @Test(arguments: [WorkRequestOpcode.rdmaWrite, .rdmaRead])
    func rightsOfTheQueuePair(opcode: WorkRequestOpcode) throws {
        var connection = Connection()
        connection.access = []
        let pair = try ConnectedPair(connectionOfB: connection)
        #expect(pair.run(SendRequest(opcode)).map(\.status) == [.remoteInvalidRequestError])
    }
}

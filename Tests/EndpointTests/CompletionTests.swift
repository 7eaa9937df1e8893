import CVRDMAABI
import Testing
import Verbs

@testable import Endpoint

/// Which work requests complete visibly, and what their completions hold (ibv_create_qp(3) sq_sig_all,
/// ibv_post_send(3) IBV_SEND_SIGNALED, ibv_poll_cq(3)).
struct CompletionTests {
    @Test(arguments: [true, false])
    func signalling(signalsAll: Bool) throws {
        var capabilities = SimulatedQueuePair.Capabilities()
        capabilities.signalsAll = signalsAll
        let pair = try ConnectedPair(capabilities: capabilities)
        let requests = (UInt64(0)..<20).map { identifier in
            let request = SendRequest.write(to: pair.b.buffer).numbered(identifier)
            return identifier % 3 == 0 ? request : request.unsignaled
        }
        pair.a.queuePair.post(requests)
        pair.endpoint.settle()
        let expected = (UInt64(0)..<20).filter { signalsAll || $0 % 3 == 0 }
        #expect(pair.a.sendQueue.drain().map(\.identifier) == expected)
        // The consumer index moves for all of them.
        #expect(pair.a.queuePair.send.head.acquire() == 20)
    }

    /// The index of the entry is that of the send or receive queue: it and all before it are free.
    @Test func entryIndices() throws {
        var capabilities = SimulatedQueuePair.Capabilities()
        (capabilities.sendEntries, capabilities.receiveEntries) = (8, 8)
        let pair = try ConnectedPair(capabilities: capabilities)
        for turn in UInt32(0)..<50 {
            pair.b.queuePair.postReceive()
            pair.a.queuePair.post(SendRequest.write(to: pair.b.buffer).unsignaled, .send())
            pair.endpoint.settle()
            #expect(pair.a.sendQueue.drain().map(\.entry) == [2 * turn + 1])
            #expect(pair.b.receiveQueue.drain().map(\.entry) == [turn])
        }
    }

    /// A full ring is no violation: as many requests as there are entries may be posted at a time.
    @Test func fullRings() throws {
        var capabilities = SimulatedQueuePair.Capabilities()
        (capabilities.sendEntries, capabilities.receiveEntries) = (16, 16)
        let pair = try ConnectedPair(capabilities: capabilities)
        for _ in 0..<10 {
            for identifier in UInt64(0)..<16 { pair.b.queuePair.postReceive(identifier) }
            pair.a.queuePair.post((0..<16).map { .send().numbered($0) })
            pair.endpoint.settle()
            #expect(pair.a.sendQueue.drain().map(\.identifier) == Array(0..<16))
            #expect(pair.b.receiveQueue.drain().map(\.identifier) == Array(0..<16))
        }
    }

    /// The ring's indices wrap at 2^32; the test begins shortly before.
    @Test func indexWrap() throws {
        let pair = try ConnectedPair()
        let index = pair.endpoint.device.queuePairs.liveIndices[0]
        #expect(pair.endpoint.device.queuePairs[index].number.rawValue == pair.a.queuePair.number)
        pair.endpoint.device.queuePairs[index].sendHead = .max - 5
        pair.a.queuePair.publishSend(.max - 5)
        pair.a.buffer.write([7])
        for turn in UInt64(0)..<10 {
            let completions = pair.run(
                .write(pair.a.buffer.element(0, 1), to: pair.b.buffer, at: Int(turn)).numbered(turn))
            #expect(completions.map(\.identifier) == [turn])
            #expect(pair.b.buffer.bytes(Int(turn)..<Int(turn) + 1) == [7])
        }
    }

    /// Immediate data travels as it is: network byte order is the application's affair.
    @Test func immediate() throws {
        let pair = try ConnectedPair()
        for value in [UInt32(0), 1, 0x0102_0304, .max] {
            pair.b.queuePair.postReceive()
            pair.b.queuePair.postReceive()
            pair.a.queuePair.post(
                SendRequest(.sendWithImmediate).with { $0.immediate = value },
                SendRequest(.rdmaWriteWithImmediate).with { $0.immediate = value })
            pair.endpoint.settle()
            #expect(pair.b.receiveQueue.drain().map(\.immediate) == [value, value])
        }
    }

    /// The record of the request in progress is there before an effect that must not happen twice.
    @Test func progressRecord() throws {
        let pair = try ConnectedPair()
        pair.b.queuePair.postReceive()
        pair.a.queuePair.post(.write(to: pair.b.buffer), .send())
        pair.endpoint.settle()
        let progress = (pair.a.queuePair.send.entry(0) - 64).load(as: vrdma_progress.self)
        #expect(progress.stage != VRDMA_STAGE_NONE.rawValue)
        #expect(progress.index == 1)
        #expect(progress.receive_index == 0)
    }
}

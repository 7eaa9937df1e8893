import CVRDMAABI
import Testing
import Verbs

/// Errors in the receiver's own receive work request: it completes with the reason, and so does the sender's
/// (IBA vol. 1, 9.9.3.1, table 58; 11.6.2).
struct ReceiveErrorTests {
    private func expect(
        receiver: WorkCompletionStatus, sender: WorkCompletionStatus, _ pair: ConnectedPair, length: Int = 64,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        pair.a.buffer.write([UInt8](repeating: 0xaa, count: length))
        pair.b.queuePair.postReceive(12, pair.b.buffer.element(0, 64))
        pair.a.queuePair.post(.send(pair.a.buffer.element(0, length)).numbered(1), .send().numbered(2))
        pair.endpoint.settle()
        let sent = pair.a.sendQueue.drain()
        #expect(sent.map(\.identifier) == [1, 2], sourceLocation: sourceLocation)
        #expect(sent.map(\.status) == [sender, .flushError], sourceLocation: sourceLocation)
        let received = pair.b.receiveQueue.drain()
        #expect(received.map(\.identifier) == [11, 12], sourceLocation: sourceLocation)
        #expect(received.map(\.status) == [receiver, .flushError], sourceLocation: sourceLocation)
        #expect(try pair.a.queuePair.state() == .error, sourceLocation: sourceLocation)
        #expect(try pair.b.queuePair.state() == .error, sourceLocation: sourceLocation)
        #expect(pair.b.context.takeAsyncEvents().isEmpty, sourceLocation: sourceLocation)
        #expect(!pair.b.context.memory.contains(0xaa), sourceLocation: sourceLocation)
        Invariants.check(pair.endpoint, sourceLocation: sourceLocation)
    }

    @Test(arguments: [[63], [32, 31], [], [0, 0]])
    func tooSmall(lengths: [Int]) throws {
        let pair = try ConnectedPair()
        pair.b.queuePair.postReceive(11, elements: lengths.map { pair.b.buffer.element(0, $0) })
        try expect(receiver: .localLengthError, sender: .remoteInvalidRequestError, pair)
    }

    @Test func unknownKey() throws {
        let pair = try ConnectedPair()
        pair.b.queuePair.postReceive(11, vrdma_sge(address: pair.b.buffer.start, length: 64, lkey: 0x00ff_ff00))
        try expect(receiver: .localProtectionError, sender: .remoteOperationError, pair)
    }

    @Test func laterElement() throws {
        let pair = try ConnectedPair()
        let bad = vrdma_sge(address: pair.b.buffer.start, length: 32, lkey: 0x00ff_ff00)
        pair.b.queuePair.postReceive(11, pair.b.buffer.element(0, 32), bad)
        try expect(receiver: .localProtectionError, sender: .remoteOperationError, pair)
    }

    @Test func outsideOfTheRegion() throws {
        let pair = try ConnectedPair()
        pair.b.queuePair.postReceive(11, pair.b.buffer.element(pair.b.buffer.count - 63, 64))
        try expect(receiver: .localProtectionError, sender: .remoteOperationError, pair)
    }

    @Test func readOnlyMemory() throws {
        let pair = try ConnectedPair()
        let readOnly = try pair.b.register(64, access: .remoteRead)
        pair.b.queuePair.postReceive(11, readOnly.element())
        try expect(receiver: .localProtectionError, sender: .remoteOperationError, pair)
    }

    @Test func otherProtectionDomain() throws {
        let pair = try ConnectedPair()
        let other = try pair.b.context.allocateProtectionDomain()
        pair.b.queuePair.postReceive(11, try pair.b.context.register(64, protectionDomain: other).element())
        try expect(receiver: .localProtectionError, sender: .remoteOperationError, pair)
    }

    /// An entry that says more elements than its queue has room for.
    @Test(arguments: [UInt32(33), 1000, .max])
    func tooManyElements(count: UInt32) throws {
        let pair = try ConnectedPair()
        pair.b.queuePair.receive.entry(0).storeBytes(
            of: vrdma_receive_wqe(wr_id: 11, sge_count: count, reserved: 0), as: vrdma_receive_wqe.self)
        pair.b.queuePair.publishReceive(1)
        try expect(receiver: .localQueuePairOperationError, sender: .remoteOperationError, pair)
    }

    /// Elements are used, and checked, as far as the message reaches into them.
    @Test(arguments: [0, 1, 31, 32, 40, 63, 64])
    func unusedElements(length: Int) throws {
        let pair = try ConnectedPair()
        let end = pair.b.buffer.count
        pair.a.buffer.write((0..<64).map { UInt8($0 + 1) })
        pair.b.queuePair.postReceive(
            11, pair.b.buffer.element(0, 32), pair.b.buffer.element(end - 32, 64),
            vrdma_sge(address: 1, length: 8, lkey: 0xffff_ffff))
        #expect(pair.run(.send(pair.a.buffer.element(0, length))).map(\.status) == [.success])
        #expect(pair.b.receiveQueue.drain().map(\.byteLength) == [UInt32(length)])
        let found = pair.b.buffer.bytes(0..<32) + pair.b.buffer.bytes(end - 32..<end)
        #expect(found == (0..<64).map { $0 < length ? UInt8($0 + 1) : 0 })
    }

    /// A WRITE with immediate data uses no element of the receive: whatever they are, they do no harm.
    @Test func writeWithImmediateIgnoresElements() throws {
        let pair = try ConnectedPair()
        pair.b.queuePair.postReceive(11, vrdma_sge(address: 1, length: 8, lkey: 0xffff_ffff))
        let request = SendRequest(.rdmaWriteWithImmediate, [pair.a.buffer.element(0, 64)]).at(pair.b.buffer)
        #expect(pair.run(request).map(\.status) == [.success])
        #expect(pair.b.receiveQueue.drain().map(\.status) == [.success])
    }
}

import CVRDMAABI
import Testing
import Verbs

@testable import Endpoint

/// Errors that the requester's side finds in its own request: nothing is sent, the peer sees nothing, there is no
/// asynchronous event because there is a completion (IBA vol. 1, 9.9.2.1 and 11.6.2; ibv_poll_cq(3)).
struct RequesterErrorTests {
    /// What is wrong with a list of elements.
    enum Mistake: CaseIterable {
        case unknownKey
        case otherKeyPortion
        case otherProtectionDomain
        case beforeTheRegion
        case behindTheRegion
        case beyondTheRegion
        case aroundTheAddressSpace
        case deregistered
    }

    private func badElement(_ mistake: Mistake, _ side: Application) throws -> vrdma_sge {
        let good = side.buffer.element(0, 64)
        switch mistake {
        case .unknownKey: return vrdma_sge(address: good.address, length: 64, lkey: 0x00ff_ff00)
        case .otherKeyPortion: return vrdma_sge(address: good.address, length: 64, lkey: good.lkey ^ 1)
        case .otherProtectionDomain:
            let other = try side.context.allocateProtectionDomain()
            return try side.context.register(64, protectionDomain: other).element()
        case .beforeTheRegion: return vrdma_sge(address: good.address - 1, length: 64, lkey: good.lkey)
        case .behindTheRegion:
            return vrdma_sge(address: side.buffer.address(side.buffer.count), length: 1, lkey: good.lkey)
        case .beyondTheRegion: return side.buffer.element(side.buffer.count - 63, 64)
        case .aroundTheAddressSpace: return vrdma_sge(address: .max - 3, length: 64, lkey: good.lkey)
        case .deregistered:
            let gone = try side.register(64)
            try side.context.deregister(gone)
            return gone.element()
        }
    }

    /// The requester is in ERR with one completion; the responder has noticed nothing.
    private func expect(
        _ status: WorkCompletionStatus, _ pair: ConnectedPair, _ request: SendRequest, before: [UInt8],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let completions = pair.run(request.numbered(31).unsignaled)
        #expect(completions.map(\.status) == [status], sourceLocation: sourceLocation)
        #expect(completions.map(\.identifier) == [31], sourceLocation: sourceLocation)
        #expect(completions.map(\.queuePair) == [pair.a.queuePair.number], sourceLocation: sourceLocation)
        #expect(try pair.a.queuePair.state() == .error, sourceLocation: sourceLocation)
        #expect(pair.a.context.takeAsyncEvents().isEmpty, sourceLocation: sourceLocation)
        #expect(try pair.b.queuePair.state() == .readyToSend, sourceLocation: sourceLocation)
        #expect(pair.b.receiveQueue.drain().isEmpty, sourceLocation: sourceLocation)
        #expect(pair.b.context.takeAsyncEvents().isEmpty, sourceLocation: sourceLocation)
        #expect(difference(pair.b.buffer.bytes, before) == nil, sourceLocation: sourceLocation)
        Invariants.check(pair.endpoint, sourceLocation: sourceLocation)
    }

    @Test(arguments: Mistake.allCases, [WorkRequestOpcode.rdmaWrite, .send, .rdmaRead])
    func localProtection(mistake: Mistake, opcode: WorkRequestOpcode) throws {
        let pair = try ConnectedPair()
        pair.a.buffer.write([UInt8](repeating: 7, count: 256))
        pair.b.queuePair.postReceive(1, pair.b.buffer.element(0, 512))
        let before = pair.b.buffer.bytes
        let bad = try badElement(mistake, pair.a)
        try expect(.localProtectionError, pair, SendRequest(opcode, [bad]).at(pair.b.buffer), before: before)
    }

    /// Also a later element of several is found before anything is sent, and before the receiver is looked at.
    @Test(arguments: Mistake.allCases, [WorkRequestOpcode.rdmaWrite, .send, .rdmaRead])
    func localProtectionOfALaterElement(mistake: Mistake, opcode: WorkRequestOpcode) throws {
        let pair = try ConnectedPair()
        pair.a.buffer.write([UInt8](repeating: 7, count: 256))
        let before = pair.b.buffer.bytes
        let elements = [pair.a.buffer.element(0, 64), try badElement(mistake, pair.a)]
        try expect(.localProtectionError, pair, SendRequest(opcode, elements).at(pair.b.buffer), before: before)
    }

    /// The answer of a READ or an atomic is written into local memory, which must permit that.
    @Test(arguments: [WorkRequestOpcode.rdmaRead, .fetchAndAdd, .compareAndSwap])
    func answerIntoReadOnlyMemory(opcode: WorkRequestOpcode) throws {
        let pair = try ConnectedPair()
        let readOnly = try pair.a.register(64, access: .remoteRead)
        let request = SendRequest(opcode, [readOnly.element(0, 8)]).at(pair.b.buffer)
        try expect(.localProtectionError, pair, request, before: pair.b.buffer.bytes)
    }

    /// Memory without any right may still be sent from (ibv_reg_mr(3): local read access is always enabled).
    @Test(arguments: [WorkRequestOpcode.rdmaWrite, .send])
    func localReadIsAlwaysPermitted(opcode: WorkRequestOpcode) throws {
        let pair = try ConnectedPair()
        let source = try pair.a.register(64, access: [])
        pair.b.queuePair.postReceive(1, pair.b.buffer.element(0, 64))
        #expect(pair.run(SendRequest(opcode, [source.element()]).at(pair.b.buffer)).map(\.status) == [.success])
    }

    @Test func unknownOpcode() throws {
        for opcode in [UInt8(7), 8, 9, 10, 99, 255] {
            let pair = try ConnectedPair()
            pair.a.queuePair.write(.send(pair.a.buffer.element(0, 8)), at: 0)
            pair.a.queuePair.send.entry(0).storeBytes(of: opcode, toByteOffset: 8, as: UInt8.self)
            pair.a.queuePair.publishSend(1)
            pair.endpoint.settle()
            #expect(pair.a.sendQueue.drain().map(\.status) == [.localQueuePairOperationError])
            #expect(try pair.a.queuePair.state() == .error)
            #expect(try pair.b.queuePair.state() == .readyToSend)
        }
    }

    /// More elements, or more inline data, than the queue pair was made for.
    @Test func beyondTheCapabilities() throws {
        var capabilities = SimulatedQueuePair.Capabilities()
        capabilities.sendElements = 3
        capabilities.inlineBytes = 20
        for change in [
            { (entry: inout vrdma_send_wqe) in entry.sge_count = 4 }, { $0.sge_count = .max },
            {
                $0.flags |= 8; $0.inline_bytes = 21
            },
            {
                $0.flags |= 8; $0.inline_bytes = .max
            },
        ] {
            let pair = try ConnectedPair(capabilities: capabilities)
            var entry = SendRequest.write(to: pair.b.buffer).entry
            change(&entry)
            pair.a.queuePair.send.entry(0).storeBytes(of: entry, as: vrdma_send_wqe.self)
            pair.a.queuePair.publishSend(1)
            pair.endpoint.settle()
            #expect(pair.a.sendQueue.drain().map(\.status) == [.localQueuePairOperationError])
            #expect(try pair.b.queuePair.state() == .readyToSend)
        }
    }

    /// Only operations that carry data to the peer have inline data (ibv_post_send(3), IBV_SEND_INLINE).
    @Test(arguments: [WorkRequestOpcode.rdmaRead, .compareAndSwap, .fetchAndAdd])
    func inlineReads(opcode: WorkRequestOpcode) throws {
        let pair = try ConnectedPair()
        let request = SendRequest(opcode).at(pair.b.buffer).with { $0.inlineData = [1, 2, 3, 4, 5, 6, 7, 8] }
        try expect(.localQueuePairOperationError, pair, request, before: pair.b.buffer.bytes)
    }

    /// READs and atomics of a queue pair that said it would have none under way.
    @Test(arguments: [WorkRequestOpcode.rdmaRead, .compareAndSwap, .fetchAndAdd])
    func noReadsUnderWay(opcode: WorkRequestOpcode) throws {
        var connection = Connection()
        connection.maxReadAtomic = 0
        let pair = try ConnectedPair(connectionOfA: connection)
        let request = SendRequest(opcode, [pair.a.buffer.element(0, 8)]).at(pair.b.buffer)
        try expect(.localQueuePairOperationError, pair, request, before: pair.b.buffer.bytes)
    }

    /// An atomic's answer has eight bytes.
    @Test(arguments: [WorkRequestOpcode.compareAndSwap, .fetchAndAdd], [0, 1, 7])
    func shortAnswer(opcode: WorkRequestOpcode, length: Int) throws {
        let pair = try ConnectedPair()
        let request = SendRequest(opcode, [pair.a.buffer.element(0, length)]).at(pair.b.buffer)
        try expect(.localLengthError, pair, request, before: pair.b.buffer.bytes)
    }

    /// Requests before the failing one complete with success, those behind it are flushed in order.
    @Test func orderAroundAnError() throws {
        let pair = try ConnectedPair()
        let good = SendRequest.write(pair.a.buffer.element(0, 8), to: pair.b.buffer)
        let bad = SendRequest.write(vrdma_sge(address: 1, length: 8, lkey: 1), to: pair.b.buffer)
        let completions = pair.run(
            good.numbered(1), good.numbered(2).unsignaled, bad.numbered(3).unsignaled, good.numbered(4),
            good.numbered(5).unsignaled, bad.numbered(6))
        #expect(completions.map(\.identifier) == [1, 3, 4, 5, 6])
        #expect(
            completions.map(\.status)
                == [.success, .localProtectionError, .flushError, .flushError, .flushError])
    }
}

import CVRDMAABI
import Testing
import Verbs

@testable import Endpoint

/// What happens to work requests as a queue pair changes its state (IBA vol. 1, 10.3.1).
struct StateTests {
    /// ERR flushes the send queue and the receive queue, each in order, signalled or not (10.3.1.7, 10.8.3.3).
    @Test func errorFlushes() throws {
        var limits = DeviceLimits()
        limits.workRequestsPerTurn = 7
        let pair = try ConnectedPair(limits: limits)
        try pair.b.queuePair.modify(.reset)
        for identifier in UInt64(0)..<40 { pair.a.queuePair.postReceive(100 + identifier) }
        pair.a.queuePair.post((0..<30).map { .send().numbered($0).unsignaled })
        try pair.a.queuePair.modify(.error)
        pair.endpoint.settle()
        let sent = pair.a.sendQueue.drain()
        #expect(sent.map(\.identifier) == Array(0..<30))
        #expect(sent.allSatisfy { $0.status == .flushError && $0.queuePair == pair.a.queuePair.number })
        let received = pair.a.receiveQueue.drain()
        #expect(received.map(\.identifier) == Array(100..<140))
        #expect(received.allSatisfy { $0.status == .flushError })
        // A change that the application asked for is no event.
        #expect(pair.a.context.takeAsyncEvents().isEmpty)
        Invariants.check(pair.endpoint)
    }

    /// With one completion queue for both, each work queue keeps its order.
    @Test func errorFlushesIntoOneQueue() throws {
        let endpoint = SimulatedEndpoint()
        let guest = try endpoint.addGuest()
        let context = try guest.openContext()
        let domain = try context.allocateProtectionDomain()
        let queue = try context.createCompletionQueue()
        let queuePair = try context.createQueuePair(protectionDomain: domain, sendQueue: queue, receiveQueue: queue)
        for identifier in UInt64(0)..<20 { queuePair.postReceive(100 + identifier) }
        queuePair.post((0..<20).map { .send().numbered($0) })
        try queuePair.modify(.error)
        endpoint.settle()
        let completions = queue.drain().map(\.identifier)
        #expect(completions.filter { $0 < 100 } == Array(0..<20))
        #expect(completions.filter { $0 >= 100 } == Array(100..<120))
    }

    /// Work requests that are posted in ERR are flushed as well (10.3.1.7).
    @Test func postsInError() throws {
        let pair = try ConnectedPair()
        try pair.a.queuePair.modify(.error)
        pair.endpoint.settle()
        for turn in UInt64(0)..<5 {
            // Also after the endpoint has stopped looking by itself.
            for _ in 0..<600 { pair.endpoint.poll() }
            pair.a.queuePair.post(.send().numbered(turn), .write(to: pair.b.buffer).numbered(turn + 10))
            pair.a.queuePair.postReceive(turn + 20)
            pair.endpoint.settle()
            #expect(pair.a.sendQueue.drain().map(\.identifier) == [turn, turn + 10])
            #expect(pair.a.receiveQueue.drain().map(\.status) == [.flushError])
            pair.a.queuePair.postReceive(turn + 30)
            pair.endpoint.settle()
            #expect(pair.a.receiveQueue.drain().map(\.identifier) == [turn + 30])
        }
        Invariants.check(pair.endpoint)
    }

    /// The opcodes of flushed requests are those that were posted.
    @Test func opcodesOfFlushedRequests() throws {
        let pair = try ConnectedPair()
        try pair.a.queuePair.modify(.error)
        pair.a.queuePair.post(WorkRequestOpcode.allCases.map { SendRequest($0) })
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().map(\.opcode) == WorkRequestOpcode.allCases.map(\.completionOpcode))
    }

    /// RESET forgets what is posted without completions (10.3.1.1).
    @Test(arguments: [QueuePairState.readyToSend, .error])
    func resetForgets(from state: QueuePairState) throws {
        let pair = try ConnectedPair()
        for _ in 0..<4 { pair.endpoint.poll() }
        pair.a.queuePair.postReceive(1)
        pair.a.queuePair.post(.send(), .send())
        if state == .error { try pair.a.queuePair.modify(.error) }
        try pair.a.queuePair.modify(.reset)
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().isEmpty)
        #expect(pair.a.receiveQueue.drain().isEmpty)
        #expect(pair.a.queuePair.send.head.acquire() == 0)
        #expect(pair.a.queuePair.receive.head.acquire() == 0)
        #expect(try pair.a.queuePair.query().destination_qp_number == 0)
        try pair.reconnect()
        pair.b.queuePair.postReceive(5)
        #expect(pair.run(.send()).map(\.status) == [.success])
        #expect(pair.b.receiveQueue.drain().map(\.identifier) == [5])
        Invariants.check(pair.endpoint)
    }

    /// After RESET both queues begin at their first entry again, wherever they were.
    @Test(arguments: [3, 128, 200])
    func resetBeginsAnew(count: Int) throws {
        let pair = try ConnectedPair()
        for round in 0..<2 {
            for turn in 0..<count {
                let value = UInt8(truncatingIfNeeded: turn + round)
                pair.a.buffer.write([value])
                pair.b.queuePair.postReceive(UInt64(turn), pair.b.buffer.element(turn, 1))
                #expect(pair.run(.send(pair.a.buffer.element(0, 1))).map(\.entry) == [UInt32(turn)])
                #expect(pair.b.receiveQueue.drain().map(\.entry) == [UInt32(turn)])
                #expect(pair.b.buffer.bytes(turn..<turn + 1) == [value])
            }
            try pair.reconnect()
        }
    }

    /// Receives may be posted in INIT, before there is a connection (10.3.1.2), and are used by the first SEND.
    @Test func receivesOfInit() throws {
        let pair = try ConnectedPair(isConnected: false)
        try pair.b.queuePair.modify(pair.b.connection(to: pair.a).initialize)
        pair.b.queuePair.postReceive(8, pair.b.buffer.element(0, 8))
        try pair.b.queuePair.modify(pair.b.connection(to: pair.a).readyToReceive)
        try pair.a.queuePair.connect(pair.a.connection(to: pair.b))
        #expect(pair.run(.send(pair.a.buffer.element(0, 8))).map(\.status) == [.success])
        #expect(pair.b.receiveQueue.drain().map(\.identifier) == [8])
    }

    /// In RTR requests of the peer are executed, own ones are not begun (10.3.1.3).
    @Test func readyToReceive() throws {
        let pair = try ConnectedPair(isConnected: false)
        try pair.b.queuePair.becomeReadyToReceive(pair.b.connection(to: pair.a))
        try pair.a.queuePair.connect(pair.a.connection(to: pair.b))
        pair.b.queuePair.post(.write(pair.b.buffer.element(0, 8), to: pair.a.buffer))
        #expect(pair.run(.write(pair.a.buffer.element(0, 8), to: pair.b.buffer)).map(\.status) == [.success])
        #expect(pair.b.sendQueue.drain().isEmpty)
        #expect(
            pair.b.context.takeAsyncEvents() == [AsyncEvent(.communicationEstablished, pair.b.queuePair.number)])
        try pair.b.queuePair.modify(pair.b.connection(to: pair.a).readyToSend)
        pair.endpoint.settle()
        #expect(pair.b.sendQueue.drain().map(\.status) == [.success])
    }

    /// Outside of RTR, RTS and SQD the peer gets no answer.
    @Test(arguments: [true, false])
    func requestsBeforeReadyToReceive(isInitialized: Bool) throws {
        let pair = try ConnectedPair(isConnected: false)
        if isInitialized { try pair.b.queuePair.modify(pair.b.connection(to: pair.a).initialize) }
        try pair.a.queuePair.connect(pair.a.connection(to: pair.b))
        pair.a.queuePair.post(.write(pair.a.buffer.element(0, 8), to: pair.b.buffer))
        pair.endpoint.advance(nanoseconds: 1_000_000)
        #expect(pair.a.sendQueue.drain().isEmpty)
        #expect(pair.b.context.takeAsyncEvents().isEmpty)
    }

    /// Completions that are there stay there when the queue pair goes.
    @Test func destroyedWithCompletions() throws {
        let pair = try ConnectedPair()
        pair.a.queuePair.post(.write(pair.a.buffer.element(0, 8), to: pair.b.buffer).numbered(1), .send())
        pair.endpoint.settle()
        try pair.a.queuePair.destroy()
        pair.endpoint.advance(nanoseconds: 1_000_000_000)
        #expect(pair.a.sendQueue.drain().map(\.identifier) == [1])
        Invariants.check(pair.endpoint)
    }
}

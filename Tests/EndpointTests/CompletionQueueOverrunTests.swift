import CVRDMAABI
import Testing
import Verbs

@testable import Endpoint

/// A completion queue that runs over: it takes no more completions, it and the queue pairs that use it report it, and
/// nothing is overwritten (IBA vol. 1, 11.6.3.1, 11.2.8; ibv_get_async_event(3), IBV_EVENT_CQ_ERR, IBV_EVENT_QP_FATAL).
struct CompletionQueueOverrunTests {
    /// As many completions as there are entries fit, not one more.
    @Test(arguments: [UInt32(1), 2, 16])
    func sendQueue(entries: UInt32) throws {
        let pair = try ConnectedPair(queueEntries: entries)
        for index in 0..<Int(entries) + 3 { pair.a.buffer.write(word: UInt64(index) + 1, at: index * 8) }
        pair.a.queuePair.post(
            (0..<Int(entries)).map {
                .write(pair.a.buffer.element($0 * 8, 8), to: pair.b.buffer, at: $0 * 8).numbered(UInt64($0))
            })
        pair.endpoint.settle()
        #expect(pair.a.context.takeAsyncEvents().isEmpty)
        #expect(try pair.a.queuePair.state() == .readyToSend)

        pair.a.queuePair.post(
            (Int(entries)..<Int(entries) + 3).map {
                .write(pair.a.buffer.element($0 * 8, 8), to: pair.b.buffer, at: $0 * 8)
            })
        pair.endpoint.settle()
        #expect(
            pair.a.context.takeAsyncEvents() == [
                AsyncEvent(.completionQueueError, pair.a.sendQueue.handle),
                AsyncEvent(.queuePairFatal, pair.a.queuePair.number),
            ])
        #expect(try pair.a.queuePair.state() == .error)
        #expect(pair.a.sendQueue.drain().map(\.identifier) == (0..<UInt64(entries)).map { $0 })
        // The request whose completion was lost had its effect; those behind it have none.
        #expect(pair.b.buffer.word(at: Int(entries) * 8) == UInt64(entries) + 1)
        #expect(pair.b.buffer.word(at: Int(entries + 1) * 8) == 0)
        #expect(try pair.b.queuePair.state() == .readyToSend)
        Invariants.check(pair.endpoint)
    }

    @Test func receiveQueue() throws {
        let pair = try ConnectedPair(queueEntries: 4)
        for identifier in UInt64(0)..<6 { pair.b.queuePair.postReceive(identifier) }
        pair.a.queuePair.post((0..<6).map { .send().numbered($0).unsignaled })
        pair.endpoint.settle()
        #expect(
            pair.b.context.takeAsyncEvents() == [
                AsyncEvent(.completionQueueError, pair.b.receiveQueue.handle),
                AsyncEvent(.queuePairFatal, pair.b.queuePair.number),
            ])
        #expect(pair.b.receiveQueue.drain().map(\.identifier) == [0, 1, 2, 3])
        #expect(try pair.b.queuePair.state() == .error)
        Invariants.check(pair.endpoint)
    }

    /// All queue pairs of the queue are hit, others of the same application are not.
    @Test func sharedQueue() throws {
        let endpoint = SimulatedEndpoint()
        let (a, b) = (try Application(endpoint.addGuest()), try Application(endpoint.addGuest()))
        let small = try a.context.createCompletionQueue(entries: 2, slot: 77)
        let pairs = try (0..<4).map { index in
            let own = try a.context.createQueuePair(
                protectionDomain: a.protectionDomain, sendQueue: index < 3 ? small : a.sendQueue,
                receiveQueue: index == 2 ? a.receiveQueue : index < 2 ? small : a.receiveQueue)
            let peer = try b.context.createQueuePair(
                protectionDomain: b.protectionDomain, sendQueue: b.sendQueue, receiveQueue: b.receiveQueue)
            var (toB, toA) = (a.connection(to: b), b.connection(to: a))
            (toB.destinationNumber, toA.destinationNumber) = (peer.number, own.number)
            try peer.connect(toA)
            try own.connect(toB)
            return own
        }
        let reset = try a.context.createQueuePair(
            protectionDomain: a.protectionDomain, sendQueue: small, receiveQueue: small)
        for pair in pairs.prefix(3) { pair.post(.write(a.buffer.element(0, 8), to: b.buffer)) }
        endpoint.settle()
        let events = a.context.takeAsyncEvents()
        #expect(events.filter { $0.type == .completionQueueError } == [AsyncEvent(.completionQueueError, small.handle)])
        #expect(
            Set(events.filter { $0.type == .queuePairFatal }.map(\.element)) == Set(pairs.prefix(3).map(\.number)))
        #expect(events.count == 4)
        #expect(try pairs.map { try $0.state() } == [.error, .error, .error, .readyToSend])
        #expect(try reset.state() == .reset)
        pairs[3].post(.write(a.buffer.element(0, 8), to: b.buffer))
        endpoint.settle()
        #expect(a.sendQueue.drain().map(\.status) == [.success])
    }

    /// Also when the application polls again: what was lost is lost.
    @Test func staysBroken() throws {
        let pair = try ConnectedPair(queueEntries: 2)
        pair.a.queuePair.post((0..<5).map { SendRequest.write(to: pair.b.buffer).numbered($0) })
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().count == 2)
        pair.a.queuePair.post(.send())
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().isEmpty)
        #expect(pair.a.context.takeAsyncEvents().count == 2)
        // A new queue and a new queue pair work.
        let queue = try pair.a.context.createCompletionQueue()
        let queuePair = try pair.a.context.createQueuePair(
            protectionDomain: pair.a.protectionDomain, sendQueue: queue, receiveQueue: queue)
        try pair.a.queuePair.destroy()
        try pair.a.sendQueue.destroy()
        try queuePair.modify(.error)
        queuePair.post(.send())
        pair.endpoint.settle()
        #expect(queue.drain().map(\.status) == [.flushError])
    }

    /// An application that keeps up never sees it, over many turns of the ring and the wrap of its index.
    @Test func keepingUp() throws {
        let pair = try ConnectedPair(queueEntries: 4)
        for _ in 0..<200 {
            #expect(pair.run(.write(to: pair.b.buffer), .write(to: pair.b.buffer)).count == 2)
        }
        #expect(pair.a.context.takeAsyncEvents().isEmpty)
    }

    /// A consumer index that lies is as good as one that never moves.
    @Test(arguments: [UInt32(5), 0x8000_0000, .max])
    func lyingConsumer(head: UInt32) throws {
        let pair = try ConnectedPair(queueEntries: 4)
        pair.a.sendQueue.ring.head.release(head)
        pair.a.queuePair.post((0..<20).map { SendRequest.write(to: pair.b.buffer).numbered($0) })
        pair.endpoint.settle()
        #expect(pair.a.context.takeAsyncEvents().count == 2)
        #expect(try pair.a.queuePair.state() == .error)
        Invariants.check(pair.endpoint)
    }
}

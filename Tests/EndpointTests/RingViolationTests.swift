import CVRDMAABI
import SharedMemory
import Testing
import Verbs

@testable import Endpoint

/// Indices of rings that cannot be: the queue pair goes into ERR with IBV_EVENT_QP_FATAL, nobody else notices
/// (docs/abi.md, "What the endpoint does about violations").
struct RingViolationTests {
    private static let indices: [UInt32] = [129, 0x8000_0000, .max]

    @Test(arguments: indices)
    func sendQueue(tail: UInt32) throws {
        let pair = try ConnectedPair()
        pair.a.queuePair.publishSend(tail)
        pair.endpoint.settle()
        #expect(pair.a.context.takeAsyncEvents() == [AsyncEvent(.queuePairFatal, pair.a.queuePair.number)])
        #expect(try pair.a.queuePair.state() == .error)
        #expect(pair.endpoint.violations.count == 1)
        // What such a queue holds is not to be believed.
        #expect(pair.a.sendQueue.drain().isEmpty)
        #expect(try pair.b.queuePair.state() == .readyToSend)
        Invariants.check(pair.endpoint)
    }

    @Test(arguments: indices)
    func sendQueueRunsBackwards(step: UInt32) throws {
        let pair = try ConnectedPair()
        #expect(pair.run(.write(to: pair.b.buffer), .write(to: pair.b.buffer)).count == 2)
        pair.a.queuePair.publishSend(1)
        pair.endpoint.settle()
        #expect(pair.a.context.takeAsyncEvents() == [AsyncEvent(.queuePairFatal, pair.a.queuePair.number)])
        Invariants.check(pair.endpoint)
    }

    @Test(arguments: indices)
    func receiveQueue(tail: UInt32) throws {
        let pair = try ConnectedPair()
        pair.b.queuePair.publishReceive(tail)
        pair.a.queuePair.post(.send())
        pair.endpoint.settle()
        #expect(pair.b.context.takeAsyncEvents() == [AsyncEvent(.queuePairFatal, pair.b.queuePair.number)])
        #expect(try pair.b.queuePair.state() == .error)
        // The sender sees a peer that does not answer any more.
        pair.endpoint.advance(nanoseconds: 10_000_000_000)
        #expect(pair.a.sendQueue.drain().map(\.status) == [.retryExceeded])
        Invariants.check(pair.endpoint)
    }

    @Test(arguments: indices)
    func receiveQueueWhileTheSenderWaits(tail: UInt32) throws {
        let pair = try ConnectedPair()
        pair.a.queuePair.post(.send())
        pair.endpoint.settle()
        pair.b.queuePair.publishReceive(tail)
        pair.endpoint.advance(nanoseconds: 10_000_000_000)
        #expect(pair.b.context.takeAsyncEvents() == [AsyncEvent(.queuePairFatal, pair.b.queuePair.number)])
        #expect(pair.a.sendQueue.drain().map(\.status) == [.retryExceeded])
        Invariants.check(pair.endpoint)
    }

    /// A queue pair that is its own peer breaks its own receive queue.
    @Test(arguments: [true, false])
    func ownReceiveQueue(isWaiting: Bool) throws {
        let endpoint = SimulatedEndpoint()
        let own = try Application(endpoint.addGuest())
        try own.queuePair.connect(own.connection(to: own))
        if isWaiting {
            own.queuePair.post(.send())
            endpoint.settle()
        }
        own.queuePair.publishReceive(1000)
        if !isWaiting { own.queuePair.post(.send()) }
        endpoint.advance(nanoseconds: 10_000_000_000)
        #expect(own.context.takeAsyncEvents() == [AsyncEvent(.queuePairFatal, own.queuePair.number)])
        Invariants.check(endpoint)
        endpoint.settle()
        #expect(endpoint.device.prepareToSleep())
    }

    @Test(arguments: indices, [true, false])
    func inError(tail: UInt32, isSend: Bool) throws {
        let pair = try ConnectedPair()
        try pair.a.queuePair.modify(.error)
        pair.endpoint.settle()
        for turn in UInt32(0)..<5 {
            if isSend {
                pair.a.queuePair.publishSend(pair.a.queuePair.sendTail &+ tail &+ turn)
            } else {
                pair.a.queuePair.publishReceive(pair.a.queuePair.receiveTail &+ tail &+ turn)
            }
            pair.endpoint.settle()
        }
        #expect(pair.endpoint.device.activeQueuePairs.isEmpty || pair.endpoint.poll() == 0)
        Invariants.check(pair.endpoint)
    }

    /// After RESET the queue pair is as good as new.
    @Test func recovery() throws {
        let pair = try ConnectedPair()
        pair.a.queuePair.publishSend(5000)
        pair.b.queuePair.publishReceive(5000)
        pair.endpoint.settle()
        try pair.reconnect()
        pair.b.queuePair.postReceive(1, pair.b.buffer.element(0, 8))
        #expect(pair.run(.send(pair.a.buffer.element(0, 8))).map(\.status) == [.success])
    }

    /// The endpoint's own words in shared memory are copies: writing over them changes nothing.
    @Test func endpointsWords() throws {
        let pair = try ConnectedPair()
        var generator = SeededGenerator(seed: 9)
        for _ in 0..<50 {
            for word in [
                pair.a.queuePair.send.head, pair.a.queuePair.receive.head, pair.a.queuePair.send.psn,
                pair.a.sendQueue.ring.tail, pair.a.sendQueue.ring.armServed, pair.b.queuePair.receive.head,
            ] {
                word.release(UInt32(truncatingIfNeeded: generator.next()))
            }
            pair.b.queuePair.postReceive()
            #expect(pair.run(.write(to: pair.b.buffer), .send()).map(\.status) == [.success, .success])
            #expect(pair.b.receiveQueue.drain().map(\.status) == [.success])
        }
        Invariants.check(pair.endpoint)
    }

    /// Bits of doorbells that belong to no queue pair are ignored.
    @Test func strangeDoorbells() throws {
        let pair = try ConnectedPair()
        for queue in [UInt32(2), 3, 1000, 2 * VRDMA_DOORBELL_SLOTS - 1] { pair.a.context.ring(queue) }
        pair.endpoint.settle()
        #expect(pair.run(.write(to: pair.b.buffer)).map(\.status) == [.success])
        Invariants.check(pair.endpoint)
    }
}

extension Device {
    /// Queue pairs that the engine looks at without a doorbell.
    var activeQueuePairs: [UInt32] { queuePairs.liveIndices.filter { queuePairs[$0].isActive } }
}

import CVRDMAABI
import Testing
import Verbs

@testable import Endpoint

/// The SQD state: what was begun is finished, nothing else is begun, and the end is reported if asked for
/// (IBA vol. 1, 10.3.1.5, 11.6.3.2; ibv_get_async_event(3), IBV_EVENT_SQ_DRAINED).
struct SendQueueDrainTests {
    private func drain(_ queuePair: SimulatedQueuePair, notify: Bool?) throws {
        var attributes = vrdma_qp_attributes()
        attributes.attribute_mask = (notify == nil ? AttributeMask.state : [.state, .enableSQDNotify]).rawValue
        attributes.qp_state = QueuePairState.sendQueueDrained.rawValue
        attributes.enable_sqd_async_notify = notify == true ? 1 : 0
        try queuePair.modify(attributes)
    }

    private func drained(_ side: Application) -> [AsyncEvent] {
        [AsyncEvent(.sendQueueDrained, side.queuePair.number)]
    }

    @Test(arguments: [nil, false, true])
    func empty(notify: Bool?) throws {
        let pair = try ConnectedPair()
        try drain(pair.a.queuePair, notify: notify)
        pair.endpoint.settle()
        #expect(pair.a.context.takeAsyncEvents() == (notify == true ? drained(pair.a) : []))
        #expect(try pair.a.queuePair.query().sq_draining == 0)
        #expect(try pair.a.queuePair.state() == .sendQueueDrained)
        Invariants.check(pair.endpoint)
    }

    /// The wish to be told is of one drain, not of all to come.
    @Test func notifiedOnce() throws {
        let pair = try ConnectedPair()
        try drain(pair.a.queuePair, notify: true)
        pair.endpoint.settle()
        #expect(pair.a.context.takeAsyncEvents() == drained(pair.a))
        try pair.a.queuePair.modify(.readyToSend)
        try drain(pair.a.queuePair, notify: nil)
        pair.endpoint.settle()
        #expect(pair.a.context.takeAsyncEvents().isEmpty)
    }

    @Test func beginsNothing() throws {
        let pair = try ConnectedPair()
        try drain(pair.a.queuePair, notify: true)
        pair.endpoint.settle()
        pair.a.queuePair.post(.write(pair.a.buffer.element(0, 8), to: pair.b.buffer))
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().isEmpty)
        // Requests of the peer are executed.
        pair.b.queuePair.post(.write(pair.b.buffer.element(0, 8), to: pair.a.buffer))
        pair.endpoint.settle()
        #expect(pair.b.sendQueue.drain().map(\.status) == [.success])
        // And in RTS everything goes on.
        try pair.a.queuePair.modify(.readyToSend)
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().map(\.status) == [.success])
        Invariants.check(pair.endpoint)
    }

    /// A message that is under way is finished first.
    @Test(arguments: [WorkRequestOpcode.rdmaWrite, .rdmaRead])
    func finishesAMessage(opcode: WorkRequestOpcode) throws {
        var limits = DeviceLimits()
        limits.bytesPerTurn = 4096
        let pair = try ConnectedPair(limits: limits)
        let request = SendRequest(opcode, [pair.a.buffer.element(0, 60_000)]).at(pair.b.buffer)
        pair.a.queuePair.post(request.numbered(1), request.numbered(2))
        pair.endpoint.poll()
        pair.endpoint.poll()
        try drain(pair.a.queuePair, notify: true)
        #expect(try pair.a.queuePair.query().sq_draining == 1)
        pair.endpoint.poll()
        // Attributes may be changed meanwhile, which does not end the drain.
        try pair.a.queuePair.modify(Connection().attributes(.sendQueueDrained, .minRNRTimer))
        #expect(pair.a.context.takeAsyncEvents().isEmpty)
        #expect(try pair.a.queuePair.query().sq_draining == 1)
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().map(\.identifier) == [1])
        #expect(pair.a.context.takeAsyncEvents() == drained(pair.a))
        #expect(try pair.a.queuePair.query().sq_draining == 0)
        try pair.a.queuePair.modify(.readyToSend)
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().map(\.identifier) == [2])
        Invariants.check(pair.endpoint)
    }

    /// A message that waits for the receiver is under way: it is finished when the receiver is ready, or fails.
    @Test(arguments: [true, false])
    func receiverNotReady(isReadyLater: Bool) throws {
        let pair = try ConnectedPair()
        pair.a.queuePair.post(.send().numbered(1), .send().numbered(2))
        pair.endpoint.settle()
        try drain(pair.a.queuePair, notify: true)
        pair.endpoint.settle()
        #expect(pair.a.context.takeAsyncEvents().isEmpty)
        #expect(try pair.a.queuePair.query().sq_draining == 1)
        if isReadyLater {
            pair.b.queuePair.postReceive()
            pair.b.queuePair.postReceive()
            pair.endpoint.settle()
            #expect(pair.a.sendQueue.drain().map(\.identifier) == [1])
            #expect(pair.a.context.takeAsyncEvents() == drained(pair.a))
            try pair.a.queuePair.modify(.readyToSend)
            pair.endpoint.settle()
            #expect(pair.a.sendQueue.drain().map(\.identifier) == [2])
        } else {
            pair.endpoint.advance(nanoseconds: 1_000_000_000)
            #expect(
                pair.a.sendQueue.drain().map(\.status) == [.receiverNotReadyRetryExceeded, .flushError])
            #expect(try pair.a.queuePair.state() == .error)
        }
        Invariants.check(pair.endpoint)
    }

    @Test func noAnswer() throws {
        let pair = try ConnectedPair()
        try pair.b.queuePair.modify(.reset)
        pair.a.queuePair.post(.send())
        pair.endpoint.settle()
        try drain(pair.a.queuePair, notify: true)
        pair.endpoint.settle()
        #expect(pair.a.context.takeAsyncEvents().isEmpty)
        pair.endpoint.advance(nanoseconds: 10_000_000_000)
        #expect(pair.a.sendQueue.drain().map(\.status) == [.retryExceeded])
        #expect(pair.a.context.takeAsyncEvents().isEmpty)
        Invariants.check(pair.endpoint)
    }

    /// In SQD the path may be changed (table 95), here to another queue pair of the peer.
    @Test func changesThePath() throws {
        let pair = try ConnectedPair()
        #expect(pair.run(.write(pair.a.buffer.element(0, 8), to: pair.b.buffer)).map(\.status) == [.success])
        try drain(pair.a.queuePair, notify: false)
        var connection = pair.a.connection(to: pair.b)
        connection.destination = pair.b.guest.address.linkLocal
        connection.timeout = 3
        try pair.a.queuePair.modify(connection.attributes(.sendQueueDrained, [.addressVector, .timeout]))
        try pair.a.queuePair.modify(.readyToSend)
        #expect(pair.run(.write(pair.a.buffer.element(0, 8), to: pair.b.buffer)).map(\.status) == [.success])
        #expect(try pair.a.queuePair.query().timeout == 3)
    }

    @Test func resetWhileDraining() throws {
        let pair = try ConnectedPair()
        pair.a.queuePair.post(.send())
        pair.endpoint.settle()
        try drain(pair.a.queuePair, notify: true)
        try pair.a.queuePair.modify(.reset)
        pair.endpoint.settle()
        #expect(pair.a.context.takeAsyncEvents().isEmpty)
        #expect(try pair.a.queuePair.query().sq_draining == 0)
        Invariants.check(pair.endpoint)
    }
}

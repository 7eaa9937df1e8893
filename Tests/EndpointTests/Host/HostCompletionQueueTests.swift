import CVRDMAABI
import HostSimulation
import Testing
import Verbs

@testable import Endpoint

/// Completion events and overruns on the path through the device.
struct HostCompletionQueueTests {
    private struct Armed {
        let pair: HostPair
        let channel: SimulatedChannel
        let queue: SimulatedCompletionQueue
        let queuePair: SimulatedQueuePair

        /// Arms as a library does: the word, then the command.
        func arm(solicitedOnly: Bool) throws {
            queue.arm(solicitedOnly: solicitedOnly)
            try pair.b.context.command(VRDMA_OP_ARM_CQ, handle: queue.handle, index: solicitedOnly ? 1 : 0)
        }
    }

    /// Side B with a queue pair whose receive completions make events.
    private func armed() throws -> Armed {
        let pair = try HostPair(isConnected: false)
        let channel = try pair.b.context.createChannel()
        let queue = try pair.b.context.createCompletionQueue(channel: channel, slot: 5)
        let queuePair = try pair.b.context.createQueuePair(
            protectionDomain: pair.b.protectionDomain, sendQueue: queue, receiveQueue: queue)
        try queuePair.connect(pair.b.connection(to: pair.a))
        var connection = pair.a.connection(to: pair.b)
        connection.destinationNumber = queuePair.number
        try pair.a.queuePair.connect(connection)
        for identifier in 0..<20 { queuePair.postReceive(UInt64(identifier)) }
        return Armed(pair: pair, channel: channel, queue: queue, queuePair: queuePair)
    }

    @Test func anyCompletion() throws {
        let armed = try armed()
        try armed.arm(solicitedOnly: false)
        #expect(armed.pair.run(.send(), .send()).count == 2)
        #expect(armed.channel.takeEvents() == [5])
        #expect(armed.pair.run(.send()).count == 1)
        #expect(armed.channel.takeEvents().isEmpty)
        armed.pair.end()
    }

    @Test func solicitedOnly() throws {
        let armed = try armed()
        try armed.arm(solicitedOnly: true)
        #expect(armed.pair.run(.send(), .write(to: armed.pair.b.buffer)).count == 2)
        #expect(armed.channel.takeEvents().isEmpty)
        let solicited = SendRequest.send().with { $0.isSolicited = true }
        #expect(armed.pair.run(solicited).count == 1)
        #expect(armed.channel.takeEvents() == [5])
        // Once.
        #expect(armed.pair.run(solicited).count == 1)
        #expect(armed.channel.takeEvents().isEmpty)
        try armed.arm(solicitedOnly: true)
        #expect(armed.pair.run(solicited).count == 1)
        #expect(armed.channel.takeEvents() == [5])
        armed.pair.end()
    }

    /// An error counts as solicited (IBA 11.4.2.2).
    @Test func errorIsSolicited() throws {
        let armed = try armed()
        try armed.arm(solicitedOnly: true)
        try armed.queuePair.modify(.error)
        armed.pair.settle()
        #expect(armed.channel.takeEvents() == [5])
        #expect(armed.queue.drain().count == 20)
        armed.pair.end()
    }

    /// The completion is there when the event is.
    @Test func completionBeforeEvent() throws {
        let armed = try armed()
        try armed.arm(solicitedOnly: true)
        armed.pair.a.queuePair.post(.send().with { $0.isSolicited = true })
        for _ in 0..<20 {
            for endpoint in armed.pair.endpoints { endpoint.poll() }
            if !armed.channel.takeEvents().isEmpty {
                #expect(armed.queue.drain().count == 1)
                armed.pair.end()
                return
            }
        }
        Issue.record("there was no event")
    }

    /// Who armed before the device went away is told of what comes after it is back.
    @Test(arguments: [true, false]) func armedThroughALoss(isArmedBefore: Bool) throws {
        let armed = try armed()
        let (pair, adapter) = (armed.pair, armed.pair.adapterOfB)
        try armed.queuePair.modify(.reset)
        pair.settle()
        if isArmedBefore { try armed.arm(solicitedOnly: true) }
        adapter.lose()
        if !isArmedBefore { try armed.arm(solicitedOnly: true) }
        pair.settle()
        adapter.restore()
        pair.settle()
        #expect(armed.channel.takeEvents().isEmpty)
        let queuePair = try pair.b.context.createQueuePair(
            protectionDomain: pair.b.protectionDomain, sendQueue: armed.queue, receiveQueue: armed.queue)
        try queuePair.connect(pair.b.connection(to: pair.a))
        try pair.a.queuePair.modify(.reset)
        var connection = pair.a.connection(to: pair.b)
        connection.destinationNumber = queuePair.number
        try pair.a.queuePair.connect(connection)
        queuePair.postReceive(1)
        #expect(pair.run(.send().with { $0.isSolicited = true }).map(\.status) == [.success])
        #expect(armed.channel.takeEvents() == [5])
        pair.end()
    }

    /// The guest's ring runs over although the device's own queue does not.
    @Test func ringRunsOver() throws {
        var behaviour = SimulatedBehaviour()
        behaviour.requestsPerStep = 1
        let pair = try HostPair(behaviour: behaviour, queueEntries: 4)
        pair.a.queuePair.post((0..<20).map { .write(to: pair.b.buffer).numbered(UInt64($0)) })
        pair.settle()
        #expect(pair.a.sendQueue.drain().map(\.identifier) == [0, 1, 2, 3])
        let events = pair.a.context.takeAsyncEvents()
        #expect(events.contains(.init(.completionQueueError, pair.a.sendQueue.handle)))
        #expect(events.contains(.init(.queuePairFatal, pair.a.queuePair.number)))
        #expect(try pair.a.queuePair.state() == .error)
        pair.end()
    }

    /// The device's queue runs over before the engine looks.
    @Test func deviceQueueRunsOver() throws {
        let pair = try HostPair(queueEntries: 4)
        pair.adapter.behaviour.idleChance = 100
        pair.a.queuePair.post((0..<20).map { .write(to: pair.b.buffer).numbered(UInt64($0)) })
        pair.endpoints[0].poll()
        pair.adapter.behaviour.idleChance = 0
        for _ in 0..<10 { pair.network.step() }
        pair.settle()
        let events = pair.a.context.takeAsyncEvents()
        #expect(events.filter { $0.type == .completionQueueError }.count == 1)
        #expect(events.contains { $0.type == .queuePairFatal })
        #expect(pair.a.sendQueue.drain().count <= 4)
        #expect(try pair.a.queuePair.state() == .error)
        pair.end()
    }
}

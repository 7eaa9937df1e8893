import CVRDMAABI
import SharedMemory
import Testing
import Verbs

@testable import Endpoint

/// When the endpoint looks by itself, when it wants a doorbell, and when a kick; and that nothing is lost in between
/// (docs/abi.md, "Doorbells").
struct SleepTests {
    /// A pair whose application has rung and kicked once, so that the endpoint looks at its doorbells.
    private func warmPair() throws -> ConnectedPair {
        let pair = try ConnectedPair()
        for _ in 0..<600 { pair.endpoint.poll() }
        #expect(pair.run(.write(to: pair.b.buffer)).count == 1)
        return pair
    }

    @Test func idleQueuePairWantsDoorbells() throws {
        let pair = try warmPair()
        #expect(pair.a.queuePair.send.doorbellWanted.relaxed() == 0)
        for _ in 0..<600 { pair.endpoint.poll() }
        #expect(pair.a.queuePair.send.doorbellWanted.relaxed() == 1)
        #expect(pair.endpoint.device.activeQueuePairs.isEmpty)
        // The context's doorbells are still looked at: no kick is wanted.
        #expect(pair.a.context.doorbells.kickWanted.relaxed() == 0)
        #expect(pair.run(.write(to: pair.b.buffer)).count == 1)
        Invariants.check(pair.endpoint)
    }

    @Test func sleepingEndpointWantsKicks() throws {
        let pair = try warmPair()
        pair.endpoint.device.publish(processor: 1)
        #expect(pair.a.context.doorbells.endpointProcessor.relaxed() == 2)
        #expect(pair.endpoint.device.prepareToSleep())
        #expect(pair.a.queuePair.send.doorbellWanted.relaxed() == 1)
        #expect(pair.a.context.doorbells.kickWanted.relaxed() == 1)
        #expect(pair.a.context.doorbells.endpointProcessor.relaxed() == 0)
        Invariants.check(pair.endpoint)
        #expect(pair.run(.write(to: pair.b.buffer)).count == 1)
        // The kick was taken, and the endpoint does not want another while it is awake.
        #expect(pair.a.context.doorbells.kickWanted.relaxed() == 0)
        #expect(pair.a.queuePair.send.doorbellWanted.relaxed() == 0)
    }

    /// Work that came just before the endpoint asked for a doorbell keeps it awake.
    @Test func workBeforeSleep() throws {
        let pair = try warmPair()
        // Nobody rings: the endpoint still looks at the queue pair by itself.
        pair.a.queuePair.post(.write(to: pair.b.buffer))
        #expect(!pair.endpoint.device.prepareToSleep())
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().count == 1)
        #expect(pair.endpoint.device.prepareToSleep())
    }

    @Test func doorbellBeforeSleep() throws {
        let pair = try warmPair()
        for _ in 0..<600 { pair.endpoint.poll() }
        pair.a.queuePair.post(.write(to: pair.b.buffer))
        #expect(!pair.endpoint.device.prepareToSleep())
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().count == 1)
    }

    /// What commands begin is done although nobody rings: flushing, draining, a peer's wait that ends.
    @Test func commandsBeginWork() throws {
        let pair = try ConnectedPair()
        pair.a.queuePair.post(.send())
        pair.a.queuePair.postReceive()
        pair.endpoint.settle()
        while !pair.endpoint.device.prepareToSleep() { pair.endpoint.poll() }
        try pair.a.queuePair.modify(.error)
        #expect(!pair.endpoint.device.prepareToSleep())
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().map(\.status) == [.flushError])
        #expect(pair.a.receiveQueue.drain().map(\.status) == [.flushError])
    }

    /// Idle queue pairs cost a turn nothing: it looks at none of them.
    @Test func idleQueuePairs() throws {
        let endpoint = SimulatedEndpoint()
        let (a, b) = (try Application(endpoint.addGuest()), try Application(endpoint.addGuest()))
        let small = SimulatedQueuePair.Capabilities(
            sendEntries: 1, receiveEntries: 1, sendElements: 1, receiveElements: 1, inlineBytes: 0)
        let idle = try (0..<500).map { _ in
            try a.context.createQueuePair(
                small, protectionDomain: a.protectionDomain, sendQueue: a.sendQueue, receiveQueue: a.receiveQueue)
        }
        for queuePair in idle { try queuePair.connect(a.connection(to: b)) }
        try b.queuePair.connect(b.connection(to: a))
        try a.queuePair.connect(a.connection(to: b))
        for _ in 0..<600 { endpoint.poll() }
        #expect(endpoint.device.activeQueuePairs.isEmpty)
        a.queuePair.post(.write(to: b.buffer))
        endpoint.settle()
        #expect(a.sendQueue.drain().count == 1)
        #expect(endpoint.device.activeQueuePairs.count == 1)
    }

    /// Contexts of which there are many are looked at only while their applications ring.
    @Test func manyContexts() throws {
        let endpoint = SimulatedEndpoint()
        let applications = try (0..<12).map { _ in
            try Application(endpoint.addGuest(), bufferBytes: 4096, memoryBytes: 1 << 20)
        }
        for (one, other) in zip(applications, applications.dropFirst() + applications.prefix(1)) {
            try one.queuePair.connect(one.connection(to: other))
        }
        for application in applications {
            try application.queuePair.modify(.error)
            application.queuePair.post(.send())
        }
        endpoint.settle()
        for _ in 0..<3000 { endpoint.poll() }
        let hot = endpoint.device.contexts.liveIndices.filter { endpoint.device.contexts[$0].isHot }
        #expect(hot.count <= 8)
        for application in applications {
            #expect(application.sendQueue.drain().count == 1)
            application.queuePair.post(.send())
            endpoint.settle()
            #expect(application.sendQueue.drain().count == 1)
        }
        Invariants.check(endpoint)
    }

    /// A doorbell is more than the endpoint takes in one turn: the rest waits, and none is lost.
    @Test func manyDoorbells() throws {
        var limits = DeviceLimits()
        limits.doorbellsPerTurn = 8
        limits.queuePairsPerGuestTurn = 16
        limits.workRequestsPerGuestTurn = 16
        let endpoint = SimulatedEndpoint(limits: limits)
        let application = try Application(endpoint.addGuest())
        let small = SimulatedQueuePair.Capabilities(
            sendEntries: 4, receiveEntries: 4, sendElements: 1, receiveElements: 1, inlineBytes: 0)
        let queue = try application.context.createCompletionQueue(entries: 1024)
        let queuePairs = try (0..<200).map { _ in
            try application.context.createQueuePair(
                small, protectionDomain: application.protectionDomain, sendQueue: queue, receiveQueue: queue)
        }
        for queuePair in queuePairs { try queuePair.modify(.error) }
        endpoint.settle()
        for _ in 0..<5000 { endpoint.poll() }
        for _ in 0..<5 {
            for queuePair in queuePairs {
                queuePair.post(.send(), .send())
                queuePair.postReceive()
            }
            endpoint.settle()
            #expect(queue.drain().count == 600)
        }
        Invariants.check(endpoint)
    }

    /// Posts, turns, sleeps and kicks in any order: whoever posts gets a completion, unless the endpoint sleeps although
    /// it was rung for, which is what is looked for here.
    @Test(arguments: Seeds.first(60))
    func nothingIsLost(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var limits = DeviceLimits()
        limits.idlePollsPerQueuePair = [1, 4, 50].randomElement(using: &generator) ?? 1
        let pair = try ConnectedPair(limits: limits, connectionOfA: Connection(rnrRetry: 7))
        var (posted, received, completed) = (0, 0, 0)
        var isAsleep = false
        func wakeIfKicked() {
            if pair.endpoint.isKicked { isAsleep = false }
        }
        for _ in 0..<300 {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<3 where posted - completed < 100:
                pair.a.queuePair.post(.send(), .write(to: pair.b.buffer))
                posted += 2
            case 3..<5 where received * 2 - completed < 200:
                pair.b.queuePair.postReceive()
                received += 1
            case 5..<8: if !isAsleep { pair.endpoint.poll() }
            case 8: if !isAsleep { isAsleep = pair.endpoint.device.prepareToSleep() }
            default: completed += pair.a.sendQueue.drain().count
            }
            wakeIfKicked()
            _ = pair.b.receiveQueue.drain()
            Invariants.check(pair.endpoint)
        }
        // Whatever can be done, is done without another post: the endpoint is awake, or nothing is left.
        if !isAsleep { pair.endpoint.settle() }
        completed += pair.a.sendQueue.drain().count
        let expected = min(posted, 2 * received)
        #expect(completed == expected, "\(posted) posted, \(received) receives, asleep \(isAsleep)")
    }
}

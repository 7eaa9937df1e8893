import CVRDMAABI
import Testing
import Verbs

@testable import Endpoint

/// What one guest gets done in a turn is bounded, however many queue pairs and contexts it keeps busy (docs/architecture.md,
/// "Fairness").
struct FairnessTests {
    /// A guest with many queue pairs, all connected to one application of another guest.
    private struct Crowd {
        let endpoint: SimulatedEndpoint
        let owner: Application
        let queue: SimulatedCompletionQueue
        let queuePairs: [SimulatedQueuePair]
        let peers: [SimulatedQueuePair]
        let target: Application

        init(_ count: Int, limits: DeviceLimits) throws {
            endpoint = SimulatedEndpoint(limits: limits)
            let (owner, target) = (try Application(endpoint.addGuest()), try Application(endpoint.addGuest()))
            let queue = try owner.context.createCompletionQueue(entries: 4096)
            let small = SimulatedQueuePair.Capabilities(
                sendEntries: 16, receiveEntries: 1, sendElements: 1, receiveElements: 1, inlineBytes: 0)
            func make(_ side: Application, _ queue: SimulatedCompletionQueue) throws -> [SimulatedQueuePair] {
                try (0..<count).map { _ in
                    try side.context.createQueuePair(
                        small, protectionDomain: side.protectionDomain, sendQueue: queue, receiveQueue: queue)
                }
            }
            queuePairs = try make(owner, queue)
            peers = try make(target, target.sendQueue)
            for (one, other) in zip(queuePairs, peers) {
                var (there, back) = (owner.connection(to: target), target.connection(to: owner))
                (there.destinationNumber, back.destinationNumber) = (other.number, one.number)
                try other.connect(back)
                try one.connect(there)
            }
            (self.owner, self.queue, self.target) = (owner, queue, target)
            endpoint.settle()
        }
    }

    @Test func workRequests() throws {
        var limits = DeviceLimits()
        limits.workRequestsPerGuestTurn = 20
        limits.workRequestsPerTurn = 4
        let crowd = try Crowd(30, limits: limits)
        for queuePair in crowd.queuePairs {
            queuePair.post((0..<10).map { _ in .write(to: crowd.target.buffer) })
        }
        var total = 0
        for _ in 0..<40 where total < 300 {
            crowd.endpoint.poll()
            let done = crowd.queue.drain()
            // Not more than a queue pair's own share beyond the limit, of none of them more than its share.
            #expect(done.count <= 20 + 4)
            #expect(Dictionary(grouping: done, by: \.queuePair).values.allSatisfy { $0.count <= 4 })
            total += done.count
        }
        #expect(total == 300)
        Invariants.check(crowd.endpoint)
    }

    @Test func bytes() throws {
        var limits = DeviceLimits()
        limits.bytesPerTurn = 1000
        limits.bytesPerGuestTurn = 5000
        let crowd = try Crowd(30, limits: limits)
        for queuePair in crowd.queuePairs {
            queuePair.post(.write(crowd.owner.buffer.element(0, 1000), to: crowd.target.buffer))
        }
        var total = 0
        for _ in 0..<20 where total < 30 {
            crowd.endpoint.poll()
            let done = crowd.queue.drain().count
            #expect(done <= 6)
            total += done
        }
        #expect(total == 30)
    }

    /// Every queue pair has its turn before one has a second, wherever the last turn ended.
    @Test func roundRobin() throws {
        var limits = DeviceLimits()
        limits.workRequestsPerTurn = 1
        limits.queuePairsPerGuestTurn = 7
        let crowd = try Crowd(20, limits: limits)
        for queuePair in crowd.queuePairs { queuePair.post((0..<3).map { _ in .write(to: crowd.target.buffer) }) }
        var served: [UInt32] = []
        for _ in 0..<60 where served.count < 60 {
            crowd.endpoint.poll()
            let done = crowd.queue.drain()
            #expect(done.count <= 7)
            served += done.map(\.queuePair)
        }
        #expect(served.count == 60)
        let numbers = Set(crowd.queuePairs.map(\.number))
        for round in 0..<3 { #expect(Set(served[20 * round..<20 * (round + 1)]) == numbers) }
    }

    /// A crowd at work delays another guest by no more than its own share of a turn.
    @Test func othersAreServed() throws {
        var limits = DeviceLimits()
        limits.workRequestsPerGuestTurn = 10
        let crowd = try Crowd(50, limits: limits)
        let (one, other) = (try Application(crowd.endpoint.addGuest()), try Application(crowd.endpoint.addGuest()))
        try other.queuePair.connect(other.connection(to: one))
        try one.queuePair.connect(one.connection(to: other))
        for queuePair in crowd.queuePairs { queuePair.post((0..<10).map { _ in .write(to: crowd.target.buffer) }) }
        for _ in 0..<20 {
            one.queuePair.post(.write(to: other.buffer))
            // The engine may let the requests of a stream gather for a few turns.
            for _ in 0..<6 { crowd.endpoint.poll() }
            #expect(one.sendQueue.drain().count == 1)
        }
        #expect(crowd.queue.drain().count <= 120 * 138)
        crowd.endpoint.settle()
        Invariants.check(crowd.endpoint)
    }

    /// Flushing counts as work.
    @Test func flushing() throws {
        var limits = DeviceLimits()
        limits.workRequestsPerGuestTurn = 20
        limits.workRequestsPerTurn = 4
        let crowd = try Crowd(30, limits: limits)
        for queuePair in crowd.queuePairs { try queuePair.modify(.error) }
        for queuePair in crowd.queuePairs { queuePair.post((0..<8).map { _ in .send() }) }
        var total = 0
        for _ in 0..<60 where total < 240 {
            crowd.endpoint.poll()
            let done = crowd.queue.drain().count
            #expect(done <= 24)
            total += done
        }
        #expect(total == 240)
    }

    /// Contexts take turns as well: the doorbells of all of them are found.
    @Test func contexts() throws {
        var limits = DeviceLimits()
        limits.contextsPerGuestTurn = 3
        let endpoint = SimulatedEndpoint(limits: limits)
        let guest = try endpoint.addGuest()
        let applications = try (0..<10).map { _ in
            try Application(guest, bufferBytes: 4096, memoryBytes: 1 << 20)
        }
        for application in applications { try application.queuePair.modify(.error) }
        endpoint.settle()
        for _ in 0..<1000 { endpoint.poll() }
        for _ in 0..<3 {
            for application in applications { application.queuePair.post(.send()) }
            // Not all at rest at once: a turn without work may have looked at other contexts.
            for _ in 0..<20 { endpoint.poll() }
            #expect(applications.map { $0.sendQueue.drain().count } == [Int](repeating: 1, count: 10))
            for _ in 0..<1000 { endpoint.poll() }
        }
        Invariants.check(endpoint)
    }
}

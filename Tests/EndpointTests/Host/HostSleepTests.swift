import CVRDMAABI
import HostSimulation
import SharedMemory
import Testing
import Verbs

@testable import Endpoint

/// When an endpoint with a device sleeps, and what wakes it: doorbells of both queues, and the device.
struct HostSleepTests {
    /// Polls until a sleep is possible.
    private func fallAsleep(_ pair: HostPair) {
        for _ in 0..<100 {
            pair.settle()
            if pair.endpoints.allSatisfy({ $0.device.prepareToSleep() }) { return }
        }
        Issue.record("the endpoint does not fall asleep")
    }

    @Test func doorbellsOfBothQueues() throws {
        let pair = try HostPair()
        #expect(pair.a.queuePair.receive.doorbellWanted.relaxed() == 0)
        fallAsleep(pair)
        #expect(pair.a.queuePair.send.doorbellWanted.relaxed() == 1)
        #expect(pair.a.queuePair.receive.doorbellWanted.relaxed() == 1)
        pair.a.queuePair.postReceive(1)
        #expect(pair.endpoints[0].isKicked)
        // Awake, the endpoint looks at both by itself.
        pair.endpoints[0].poll()
        #expect(pair.a.queuePair.send.doorbellWanted.relaxed() == 0)
        #expect(pair.a.queuePair.receive.doorbellWanted.relaxed() == 0)
        pair.b.queuePair.post(.send())
        pair.settle()
        #expect(pair.b.sendQueue.drain().map(\.status) == [.success])
        pair.end()
    }

    /// Work that came just before the endpoint asked for doorbells keeps it awake.
    @Test(arguments: [true, false]) func workBeforeSleep(isSend: Bool) throws {
        let pair = try HostPair()
        pair.settle()
        pair.a.queuePair.postReceive(1)
        pair.settle()
        if isSend { pair.a.queuePair.post(.write(to: pair.b.buffer)) } else { pair.a.queuePair.postReceive(2) }
        #expect(!pair.endpoints[0].device.prepareToSleep())
        pair.settle()
        #expect(pair.a.sendQueue.drain().count == (isSend ? 1 : 0))
        pair.end()
    }

    @Test func completionWakes() throws {
        let pair = try HostPair()
        pair.adapter.behaviour.idleChance = 100
        pair.a.queuePair.post(.write(to: pair.b.buffer))
        for _ in 0..<600 { pair.endpoints[0].poll() }
        #expect(pair.endpoints[0].device.prepareToSleep())
        #expect(!pair.adapter.isReadable)
        pair.adapter.behaviour.idleChance = 0
        pair.network.step()
        #expect(pair.adapter.isReadable)
        // One that came before the sleep keeps it from that.
        #expect(!pair.endpoints[0].device.prepareToSleep())
        pair.settle()
        #expect(pair.a.sendQueue.drain().count == 1)
        pair.end()
    }

    /// A request that waits for those before it is ended by their completion, although nobody rings.
    @Test func refusedRequestWakes() throws {
        let pair = try HostPair()
        pair.adapter.behaviour.idleChance = 100
        pair.a.queuePair.post(
            .write(to: pair.b.buffer), .write(pair.b.buffer.element(0, 4), to: pair.b.buffer), .send())
        for _ in 0..<600 { pair.endpoints[0].poll() }
        #expect(pair.endpoints[0].device.prepareToSleep())
        pair.adapter.behaviour.idleChance = 0
        pair.network.step()
        #expect(pair.adapter.isReadable)
        pair.settle()
        #expect(
            pair.a.sendQueue.drain().map(\.status) == [.success, .localProtectionError, .flushError])
        pair.end()
    }

    /// Posts, turns, sleeps, kicks and work of the devices in any order: whoever posts gets a completion, unless an
    /// endpoint sleeps although it was rung for or its device has something, which is what is looked for here.
    @Test(arguments: Seeds.first(60)) func nothingIsLost(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var limits = DeviceLimits()
        limits.idlePollsPerQueuePair = [1, 4, 50].randomElement(using: &generator) ?? 1
        var behaviour = SimulatedBehaviour()
        behaviour.idleChance = [0, 50].randomElement(using: &generator) ?? 0
        let pair = try HostPair(
            HostPair.Layout.allCases.randomElement(using: &generator) ?? .oneEndpoint, behaviour: behaviour,
            limits: limits, seed: seed, isConnected: false)
        try pair.connect(Connection(rnrRetry: 7), Connection(rnrRetry: 7))
        var (posted, received, completed) = (0, 0, 0)
        var asleep = pair.endpoints.map { _ in false }
        func wake() {
            for (position, endpoint) in pair.endpoints.enumerated()
            where endpoint.isKicked || pair.adapters[position].isReadable {
                asleep[position] = false
            }
        }
        func turn(_ position: Int) {
            // What the loop does, without the device's own work.
            let endpoint = pair.endpoints[position]
            endpoint.takeKicks()
            _ = endpoint.device.poll(now: endpoint.nowNanoseconds)
            _ = endpoint.device.serveHostEvents()
            endpoint.deliver()
        }
        for _ in 0..<300 {
            let position = Int.random(in: 0..<pair.endpoints.count, using: &generator)
            switch Int.random(in: 0..<14, using: &generator) {
            case 0..<3 where posted - completed < 100:
                pair.a.queuePair.post(.send(), .write(to: pair.b.buffer))
                posted += 2
            case 3..<5 where received * 2 - completed < 200:
                pair.b.queuePair.postReceive()
                received += 1
            case 5..<8: if !asleep[position] { turn(position) }
            case 8..<10: if !asleep[position] { asleep[position] = pair.endpoints[position].device.prepareToSleep() }
            case 10..<12: pair.network.step()
            default: completed += pair.a.sendQueue.drain().count
            }
            wake()
            _ = pair.b.receiveQueue.drain()
        }
        // Whatever can be done, is done without another post: an endpoint is awake, or nothing is left for it.
        for _ in 0..<2000 {
            pair.network.step()
            wake()
            for position in pair.endpoints.indices where !asleep[position] { turn(position) }
        }
        completed += pair.a.sendQueue.drain().count
        #expect(completed == min(posted, 2 * received), "\(posted) posted, \(received) receives, asleep: \(asleep)")
        pair.check()
    }
}

import CVRDMAABI
import SharedMemory
import Testing
import Verbs

@testable import Endpoint

/// Completion events: one for each request to be notified, for the next completion of the kind that was asked for
/// (IBA vol. 1, 11.4.2.2; ibv_req_notify_cq(3), ibv_get_cq_event(3)).
struct NotificationTests {
    private final class Fixture {
        let pair: ConnectedPair
        let channel: SimulatedChannel
        /// The completion queue of A's sends, with a channel.
        let queue: SimulatedCompletionQueue
        /// The one of A's receives, on the same channel.
        let receiveQueue: SimulatedCompletionQueue
        let queuePair: SimulatedQueuePair

        init() throws {
            pair = try ConnectedPair(isConnected: false)
            let context = pair.a.context
            channel = try context.createChannel()
            queue = try context.createCompletionQueue(channel: channel, slot: 5)
            receiveQueue = try context.createCompletionQueue(channel: channel, slot: 6)
            queuePair = try context.createQueuePair(
                protectionDomain: pair.a.protectionDomain, sendQueue: queue, receiveQueue: receiveQueue)
            var toA = pair.b.connection(to: pair.a)
            toA.destinationNumber = queuePair.number
            try pair.b.queuePair.connect(toA)
            try queuePair.connect(pair.a.connection(to: pair.b))
        }

        func write() {
            queuePair.post(.write(to: pair.b.buffer))
            pair.endpoint.settle()
        }

        /// B sends to A.
        func send(isSolicited: Bool) {
            queuePair.postReceive()
            pair.b.queuePair.post(SendRequest.send().with { $0.isSolicited = isSolicited })
            pair.endpoint.settle()
        }
    }

    @Test func notArmed() throws {
        let fixture = try Fixture()
        fixture.write()
        #expect(fixture.channel.takeEvents().isEmpty)
    }

    @Test func oncePerArm() throws {
        let fixture = try Fixture()
        for _ in 0..<3 {
            fixture.queue.arm()
            fixture.pair.endpoint.settle()
            #expect(fixture.channel.takeEvents().isEmpty)
            fixture.write()
            fixture.write()
            #expect(fixture.channel.takeEvents() == [5])
        }
        #expect(fixture.queue.drain().count == 6)
    }

    /// Completions that are there already give no event: whoever arms polls once more.
    @Test func onlyLaterCompletions() throws {
        let fixture = try Fixture()
        fixture.write()
        fixture.queue.arm()
        fixture.pair.endpoint.settle()
        #expect(fixture.channel.takeEvents().isEmpty)
        fixture.write()
        #expect(fixture.channel.takeEvents() == [5])
    }

    @Test func queuesOfOneChannel() throws {
        let fixture = try Fixture()
        fixture.queue.arm()
        fixture.receiveQueue.arm()
        fixture.write()
        fixture.send(isSolicited: false)
        #expect(fixture.channel.takeEvents() == [5, 6])
    }

    /// Two arms before a completion are one wish (IBA 11.4.2.2).
    @Test func armedTwice() throws {
        let fixture = try Fixture()
        fixture.queue.arm()
        fixture.queue.arm()
        fixture.write()
        fixture.write()
        #expect(fixture.channel.takeEvents() == [5])
    }

    @Test func solicited() throws {
        let fixture = try Fixture()
        fixture.receiveQueue.arm(solicitedOnly: true)
        fixture.send(isSolicited: false)
        #expect(fixture.channel.takeEvents().isEmpty)
        fixture.send(isSolicited: true)
        #expect(fixture.channel.takeEvents() == [6])
        fixture.send(isSolicited: true)
        #expect(fixture.channel.takeEvents().isEmpty)
    }

    /// An arm for any completion is answered by a solicited one as well.
    @Test(arguments: [true, false])
    func anyCompletion(isSolicited: Bool) throws {
        let fixture = try Fixture()
        fixture.receiveQueue.arm()
        fixture.send(isSolicited: isSolicited)
        #expect(fixture.channel.takeEvents() == [6])
    }

    /// An unsuccessful completion counts as solicited.
    @Test func failures() throws {
        let fixture = try Fixture()
        fixture.queue.arm(solicitedOnly: true)
        fixture.write()
        #expect(fixture.channel.takeEvents().isEmpty)
        fixture.receiveQueue.arm(solicitedOnly: true)
        fixture.queuePair.postReceive()
        try fixture.queuePair.modify(.error)
        fixture.pair.endpoint.settle()
        #expect(fixture.channel.takeEvents() == [6])
        fixture.queuePair.post(.send())
        fixture.pair.endpoint.settle()
        #expect(fixture.channel.takeEvents() == [5])
    }

    /// Only the receiver's completion is solicited, not the sender's.
    @Test func sendersCompletion() throws {
        let fixture = try Fixture()
        fixture.queue.arm(solicitedOnly: true)
        fixture.pair.b.queuePair.postReceive()
        fixture.queuePair.post(SendRequest.send().with { $0.isSolicited = true })
        fixture.pair.endpoint.settle()
        #expect(fixture.queue.drain().map(\.status) == [.success])
        #expect(fixture.channel.takeEvents().isEmpty)
    }

    @Test func solicitedWriteWithImmediate() throws {
        let fixture = try Fixture()
        fixture.receiveQueue.arm(solicitedOnly: true)
        fixture.queuePair.postReceive()
        fixture.pair.b.queuePair.post(SendRequest(.rdmaWriteWithImmediate).with { $0.isSolicited = true })
        fixture.pair.endpoint.settle()
        #expect(fixture.channel.takeEvents() == [6])
    }

    @Test func unsignalledGivesNone() throws {
        let fixture = try Fixture()
        fixture.queue.arm()
        fixture.queuePair.post(SendRequest.write(to: fixture.pair.b.buffer).unsignaled)
        fixture.pair.endpoint.settle()
        #expect(fixture.channel.takeEvents().isEmpty)
        fixture.write()
        #expect(fixture.channel.takeEvents() == [5])
    }

    @Test func armedQueueDestroyed() throws {
        let fixture = try Fixture()
        fixture.queue.arm()
        fixture.queuePair.post(.write(to: fixture.pair.b.buffer))
        try fixture.queuePair.destroy()
        try fixture.queue.destroy()
        fixture.pair.endpoint.settle()
        #expect(fixture.channel.takeEvents().isEmpty)
        Invariants.check(fixture.pair.endpoint)
    }

    /// Without a channel an arm asks nobody.
    @Test func withoutChannel() throws {
        let pair = try ConnectedPair()
        pair.a.sendQueue.arm()
        #expect(pair.run(.write(to: pair.b.buffer)).count == 1)
        Invariants.check(pair.endpoint)
    }

    /// Whatever the order of posts, turns, arms and polls: whoever arms, polls an empty queue and then waits is woken by
    /// the next completion, and there are no more events than arms.
    @Test(arguments: Seeds.first(50))
    func noEventIsLost(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let fixture = try Fixture()
        var (posted, polled, arms, events) = (0, 0, 0, 0)
        var isWaiting = false
        func look() {
            let arrived = fixture.channel.takeEvents().count
            events += arrived
            if arrived > 0 { isWaiting = false }
        }
        for _ in 0..<400 {
            switch Int.random(in: 0..<4, using: &generator) {
            case 0 where posted - polled < 100:
                let count = Int.random(in: 1...3, using: &generator)
                fixture.queuePair.post((0..<count).map { _ in .write(to: fixture.pair.b.buffer) })
                posted += count
            case 1: fixture.pair.endpoint.poll()
            case 2 where !isWaiting:
                while fixture.queue.poll() != nil { polled += 1 }
            case 3 where !isWaiting:
                fixture.queue.arm()
                arms += 1
                // The application's last look before it sleeps.
                var found = false
                while fixture.queue.poll() != nil {
                    polled += 1
                    found = true
                }
                isWaiting = !found
            default: break
            }
            look()
        }
        fixture.pair.endpoint.settle()
        look()
        #expect(!isWaiting || posted == polled, "completions are there, and nobody was told")
        #expect(events <= arms)
        while fixture.queue.poll() != nil { polled += 1 }
        #expect(posted == polled)
    }
}

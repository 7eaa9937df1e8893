import CLinux
import CVRDMAABI
import SharedMemory
import Testing
import Verbs

@testable import Endpoint

/// Applications that post step by step, with the endpoint's turns, sleeps and wake-ups in between: whatever the order,
/// a sleeping endpoint is woken for work that is there.
struct InterleavedPostingTests {
    /// One post, taken apart into the steps of docs/abi.md, "Doorbells".
    private struct Poster {
        let application: Application
        let request: SendRequest
        var step = 0
        var isDone = false

        private func setBit(_ offset: Int, _ bit: Int) {
            _ = clinux_fetch_or64(application.context.memory.mapping.base + offset + 8 * (bit / 64), 1 << (bit % 64))
        }

        mutating func next() {
            let queuePair = application.queuePair
            let doorbells = application.context.doorbells
            let queue = Int(2 * queuePair.slot)
            defer { step += 1 }
            switch step {
            case 0: queuePair.write(request, at: queuePair.sendTail)
            case 1: queuePair.publishSendSilently(queuePair.sendTail &+ 1)
            case 2: isDone = queuePair.send.doorbellWanted.relaxed() == 0
            case 3: setBit(768, queue)
            case 4: setBit(256, queue / 64)
            case 5: setBit(64, queue / 4096)
            case 6: isDone = doorbells.kickWanted.relaxed() == 0
            case 7: isDone = doorbells.kickWanted.exchange(0) == 0
            default:
                application.context.endpoint.kick(context: application.context.handle)
                isDone = true
            }
        }
    }

    @Test(arguments: Seeds.first(100))
    func nothingIsLost(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var limits = DeviceLimits()
        limits.idlePollsPerQueuePair = 4
        let endpoint = SimulatedEndpoint(limits: limits)
        let sides = try (0..<2).map { _ in try Application(endpoint.addGuest()) }
        for (one, other) in [(sides[0], sides[1]), (sides[1], sides[0])] {
            try one.queuePair.connect(one.connection(to: other))
        }
        var posters: [Poster?] = [nil, nil]
        var posted = [0, 0]
        var completed = [0, 0]
        var isAsleep = false
        for _ in 0..<1000 {
            let which = Int.random(in: 0...1, using: &generator)
            switch Int.random(in: 0..<8, using: &generator) {
            case 0..<4:
                if posters[which] == nil, posted[which] - completed[which] < 50 {
                    posters[which] = Poster(
                        application: sides[which], request: .write(to: sides[1 - which].buffer))
                    posted[which] += 1
                }
                posters[which]?.next()
                if posters[which]?.isDone == true { posters[which] = nil }
            case 4..<6: if !isAsleep { endpoint.poll() }
            case 6: if !isAsleep { isAsleep = endpoint.device.prepareToSleep() }
            default: completed[which] += sides[which].sendQueue.drain().count
            }
            if endpoint.isKicked { isAsleep = false }
        }
        for which in 0...1 {
            while posters[which] != nil {
                posters[which]?.next()
                if posters[which]?.isDone == true { posters[which] = nil }
            }
        }
        if endpoint.isKicked { isAsleep = false }
        if !isAsleep { endpoint.settle() }
        for which in 0...1 {
            completed[which] += sides[which].sendQueue.drain().count
            #expect(completed[which] == posted[which], "asleep: \(isAsleep)")
        }
        Invariants.check(endpoint)
    }
}

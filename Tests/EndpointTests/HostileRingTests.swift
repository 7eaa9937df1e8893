import CVRDMAABI
import SharedMemory
import Testing
import Verbs

@testable import Endpoint

/// Guests that write anything into their rings, while the endpoint reads them: it survives, others do not suffer.
struct HostileRingTests {
    /// Two hostile guests that are connected with each other, so that requests of both do get executed.
    private struct Attackers {
        let sides: [Application]

        init(_ endpoint: SimulatedEndpoint, using generator: inout SeededGenerator) throws {
            var capabilities = SimulatedQueuePair.Capabilities(
                sendEntries: 16, receiveEntries: 16, sendElements: 4, receiveElements: 3, inlineBytes: 64)
            capabilities.signalsAll = generator.chance(1, of: 2)
            sides = try (0..<2).map { _ in
                try Application(
                    endpoint.addGuest(), capabilities: capabilities, bufferBytes: 16_384, queueEntries: 64,
                    memoryBytes: 1 << 18)
            }
            try connect(using: &generator)
        }

        func connect(using generator: inout SeededGenerator) throws {
            for side in sides { try side.queuePair.modify(.reset) }
            let isLoop = generator.chance(1, of: 5)
            for (one, other) in [(0, isLoop ? 0 : 1), (1, isLoop ? 1 : 0)] {
                var connection = sides[one].connection(to: sides[other])
                connection.timeout = 1
                connection.rnrRetry = UInt8.random(in: 0...7, using: &generator)
                connection.minRNRTimer = 1
                try sides[one].queuePair.connect(connection)
            }
        }

        /// An element that is right, nearly right, or anything.
        func element(_ side: Application, using generator: inout SeededGenerator) -> vrdma_sge {
            var element = side.buffer.element(
                Int.random(in: 0..<8192, using: &generator), Int.random(in: 0...8192, using: &generator))
            switch Int.random(in: 0..<10, using: &generator) {
            case 0: element.lkey = UInt32(truncatingIfNeeded: generator.next())
            case 1: element.length = UInt32(truncatingIfNeeded: generator.next())
            case 2: element.address = generator.next()
            case 3: element.lkey = UInt32.random(in: 0...5, using: &generator) << 8
            default: break
            }
            return element
        }

        func request(_ side: Application, _ peer: Application, using generator: inout SeededGenerator) -> SendRequest {
            let opcode = WorkRequestOpcode.allCases.randomElement(using: &generator) ?? .send
            let count = opcode.isAtomic ? 1 : Int.random(in: 0...4, using: &generator)
            var request = SendRequest(opcode, (0..<count).map { _ in element(side, using: &generator) })
            let target = element(peer, using: &generator)
            (request.remoteAddress, request.remoteKey) = (target.address, target.lkey)
            if generator.chance(3, of: 4) { request.remoteAddress &= ~7 }
            if generator.chance(1, of: 6) {
                request.inlineData = generator.bytes(Int.random(in: 0...64, using: &generator))
            }
            return request.with { $0.isSignaled = generator.chance(1, of: 2) }
        }
    }

    @Test(arguments: Seeds.first(30))
    func randomRings(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var limits = DeviceLimits()
        limits.bytesPerTurn = [64, 4096, 1 << 20].randomElement(using: &generator) ?? 64
        let endpoint = SimulatedEndpoint(limits: limits)
        let innocents = try Innocents(endpoint, using: &generator)
        let attackers = try Attackers(endpoint, using: &generator)
        for turn in 0..<1000 {
            let position = Int.random(in: 0...1, using: &generator)
            let (side, peer) = (attackers.sides[position], attackers.sides[1 - position])
            switch Int.random(in: 0..<20, using: &generator) {
            case 0..<8:
                side.queuePair.post(attackers.request(side, peer, using: &generator))
            case 8..<12:
                side.queuePair.postReceive(
                    1, elements: (0..<3).map { _ in attackers.element(side, using: &generator) })
            case 12:
                // Entries that are written while they are executed.
                let entry = side.queuePair.send.entry(UInt32.random(in: 0..<16, using: &generator))
                entry.copyMemory(from: generator.bytes(112), byteCount: 112)
            case 13:
                let entry = side.queuePair.receive.entry(UInt32.random(in: 0..<16, using: &generator))
                entry.copyMemory(from: generator.bytes(64), byteCount: 64)
            case 14:
                side.queuePair.publishSend(side.queuePair.sendTail &+ UInt32.random(in: 0...20, using: &generator))
            case 15:
                side.queuePair.publishReceive(
                    side.queuePair.receiveTail &+ UInt32.random(in: 0...20, using: &generator))
            case 16: side.context.ring(UInt32.random(in: 0..<(2 * VRDMA_DOORBELL_SLOTS), using: &generator))
            case 17:
                // Anything over the words of the queues and the doorbells.
                let offset = 4 * Int.random(in: 0..<16_000, using: &generator)
                side.context.memory.write(generator.bytes(8), at: offset)
            case 18: try attackers.connect(using: &generator)
            default:
                _ = side.sendQueue.drain()
                _ = side.receiveQueue.drain()
            }
            if generator.chance(1, of: 4) { endpoint.nowNanoseconds += 30_000 }
            endpoint.poll()
            if turn % 20 == 0 {
                Invariants.check(endpoint)
                innocents.check(using: &generator)
            }
        }
        for side in attackers.sides { side.guest.remove() }
        endpoint.advance(nanoseconds: 1_000_000_000)
        Invariants.check(endpoint)
        innocents.check(using: &generator)
        #expect(endpoint.device.queuePairs.count == 2)
    }

    /// Rings that are always full, and are filled again as they are emptied: others have their turns.
    @Test func endlessWork() throws {
        var generator = SeededGenerator(seed: 1)
        let endpoint = SimulatedEndpoint()
        let innocents = try Innocents(endpoint, using: &generator)
        let attackers = try Attackers(endpoint, using: &generator)
        for _ in 0..<50 {
            for (side, peer) in [(attackers.sides[0], attackers.sides[1]), (attackers.sides[1], attackers.sides[0])] {
                let free = 16 &- (side.queuePair.sendTail &- side.queuePair.send.head.acquire())
                let write = SendRequest.write(side.buffer.element(), to: peer.buffer).unsignaled
                side.queuePair.post((0..<free).map { _ in write })
                _ = side.sendQueue.drain()
            }
            innocents.check(using: &generator)
        }
    }
}

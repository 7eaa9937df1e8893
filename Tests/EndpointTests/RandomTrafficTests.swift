import CVRDMAABI
import HostSimulation
import Testing
import Verbs

@testable import Endpoint

/// Long random conversations in both directions at once, compared with a model of a few lines: memory byte by byte,
/// completions one by one.
struct RandomTrafficTests {
    /// The areas of each side's buffer: for its own requests, for its receives, for the peer's WRITEs and READs.
    private enum Area: Int {
        case own
        case receive
        case target
    }

    private static let areaBytes = 3000
    private static let wordCount = 16

    /// What one side should have, and should have been told.
    private struct Model {
        var content: [UInt8]
        var words: [UInt64]
        /// Receives that are posted, oldest first.
        var receives: [(identifier: UInt64, places: [Range<Int>])] = []
        var sent: [Completion] = []
        var received: [Completion] = []
    }

    private struct Side {
        let application: Application
        let buffer: RegisteredBuffer
        let words: RegisteredBuffer
        var model: Model

        func element(_ place: Range<Int>) -> vrdma_sge { buffer.element(place.lowerBound, place.count) }
    }

    private func side(_ application: Application, using generator: inout SeededGenerator) throws -> Side {
        let total = 3 * Self.areaBytes
        let lengths = generator.parts(of: total, count: Int.random(in: 1...50, using: &generator)).filter { $0 > 0 }
        let buffer = try application.context.registerScattered(
            lengths, protectionDomain: application.protectionDomain, using: &generator)
        let words = try application.context.register(8 * Self.wordCount, protectionDomain: application.protectionDomain)
        let content = generator.bytes(total)
        buffer.write(content)
        return Side(
            application: application, buffer: buffer, words: words,
            model: Model(content: content, words: .init(repeating: 0, count: Self.wordCount)))
    }

    /// Places in an area that hold `total` bytes together and do not overlap.
    private func places(
        _ total: Int, in area: Area, using generator: inout SeededGenerator
    ) -> [Range<Int>] {
        let count = Int.random(in: 1...8, using: &generator)
        let lengths = generator.parts(of: total, count: count)
        let gaps = generator.parts(of: Self.areaBytes - total, count: count + 1)
        var position = area.rawValue * Self.areaBytes
        return zip(lengths, gaps).map { length, gap in
            defer { position += gap + length }
            return position + gap..<position + gap + length
        }
    }

    private func fill(_ content: inout [UInt8], _ places: [Range<Int>], _ data: [UInt8]) {
        var rest = data[...]
        for place in places {
            let part = rest.prefix(place.count)
            content.replaceSubrange(place.lowerBound..<place.lowerBound + part.count, with: part)
            rest = rest.dropFirst(part.count)
        }
    }

    /// Posts one random request of `from`, and applies it to the models.
    private func post(
        _ identifier: UInt64, from: inout Side, to: inout Side, using generator: inout SeededGenerator
    ) {
        let opcode = WorkRequestOpcode.allCases.randomElement(using: &generator) ?? .send
        var total = opcode.isAtomic ? 8 : Int.random(in: 0...1500, using: &generator)
        let isInline = !opcode.isAtomic && opcode != .rdmaRead && generator.chance(1, of: 5)
        if isInline { total = min(total, 512) }
        let own =
            opcode.isAtomic
            ? [places(8, in: .own, using: &generator)].map { $0[0].lowerBound..<$0[0].lowerBound + 8 }
            : places(total, in: .own, using: &generator)
        var request = SendRequest(opcode, own.map(from.element)).numbered(identifier)
        let data = isInline ? generator.bytes(total) : own.flatMap { from.model.content[$0] }
        if isInline { request.inlineData = data }
        request.immediate = UInt32(truncatingIfNeeded: generator.next())
        request.isSignaled = generator.chance(2, of: 3)

        let targetStart = Area.target.rawValue * Self.areaBytes
        let remote = Int.random(in: targetStart...targetStart + Self.areaBytes - total, using: &generator)
        if opcode.consumesReceive {
            let slack = Int.random(in: 0...200, using: &generator)
            let receivePlaces = places(total + slack, in: .receive, using: &generator)
            to.application.queuePair.postReceive(identifier, elements: receivePlaces.map(to.element))
            to.model.receives.append((identifier, receivePlaces))
            let receive = to.model.receives.removeFirst()
            if opcode != .rdmaWriteWithImmediate { fill(&to.model.content, receive.places, data) }
            to.model.received.append(
                completion(
                    receive.identifier, to, opcode == .rdmaWriteWithImmediate ? .receiveRDMAWithImmediate : .receive,
                    total, opcode.hasImmediate ? request.immediate : nil))
        }
        switch opcode {
        case .rdmaWrite, .rdmaWriteWithImmediate:
            request = request.at(to.buffer, remote)
            to.model.content.replaceSubrange(remote..<remote + total, with: data)
        case .rdmaRead:
            request = request.at(to.buffer, remote)
            fill(&from.model.content, own, Array(to.model.content[remote..<remote + total]))
        case .compareAndSwap, .fetchAndAdd:
            let word = Int.random(in: 0..<Self.wordCount, using: &generator)
            let old = to.model.words[word]
            request = request.at(to.words, 8 * word)
            request.compareOrAdd = generator.chance(1, of: 2) ? old : generator.next()
            request.swap = generator.next()
            let swapped = old == request.compareOrAdd ? request.swap : old
            to.model.words[word] = opcode == .fetchAndAdd ? old &+ request.compareOrAdd : swapped
            fill(&from.model.content, own, (0..<8).map { UInt8(truncatingIfNeeded: old >> (8 * $0)) })
        case .send, .sendWithImmediate: break
        }
        if request.isSignaled {
            from.model.sent.append(completion(identifier, from, opcode.completionOpcode, total, nil))
        }
        from.application.queuePair.post(request)
    }

    private func completion(
        _ identifier: UInt64, _ side: Side, _ opcode: WorkCompletionOpcode, _ length: Int, _ immediate: UInt32?
    ) -> Completion {
        Completion(
            identifier: identifier, status: .success, opcode: opcode, byteLength: UInt32(length), immediate: immediate,
            queuePair: side.application.queuePair.number, entry: 0)
    }

    private func compare(_ side: inout Side) {
        #expect(difference(side.buffer.bytes, side.model.content) == nil)
        #expect((0..<Self.wordCount).map { side.words.word(at: 8 * $0) } == side.model.words)
        func withoutEntries(_ completions: [Completion]) -> [Completion] {
            completions.map {
                var copy = $0
                copy.entry = 0
                return copy
            }
        }
        #expect(withoutEntries(side.application.sendQueue.drain()) == side.model.sent)
        #expect(withoutEntries(side.application.receiveQueue.drain()) == side.model.received)
        side.model.sent = []
        side.model.received = []
    }

    @Test(arguments: Seeds.first(25))
    func conversation(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var limits = DeviceLimits()
        limits.bytesPerTurn = [50, 1000, 1 << 20].randomElement(using: &generator) ?? 50
        limits.workRequestsPerTurn = [1, 3, 128].randomElement(using: &generator) ?? 1
        limits.workRequestsPerGuestTurn = [1, 1024].randomElement(using: &generator) ?? 1
        var (toB, toA) = (Connection(), Connection())
        (toB.sendPSN, toA.receivePSN) = (0xff_fff0, 0xff_fff0)
        let pair = try ConnectedPair(limits: limits, connectionOfA: toB, connectionOfB: toA)
        try converse(pair, using: &generator)
    }

    /// The same through a device, which completes requests when it likes.
    @Test(arguments: Seeds.first(25))
    func conversationThroughDevice(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var limits = DeviceLimits()
        limits.workRequestsPerTurn = [1, 3, 128].randomElement(using: &generator) ?? 1
        limits.workRequestsPerGuestTurn = [1, 1024].randomElement(using: &generator) ?? 1
        var behaviour = SimulatedBehaviour()
        behaviour.hasSeparateKeys = generator.chance(1, of: 2)
        behaviour.idleChance = [0, 30, 80].randomElement(using: &generator) ?? 0
        behaviour.requestsPerStep = [1, 4, 64].randomElement(using: &generator) ?? 1
        behaviour.batchCapacity = [1, 5, 64].randomElement(using: &generator) ?? 1
        behaviour.memorySteps = 0...Int.random(in: 0...5, using: &generator)
        let pair = try ConnectedPair(limits: limits, host: behaviour, seed: seed)
        try converse(pair, using: &generator)
        #expect(pair.endpoint.host?.violations == [])
    }

    private func converse(_ pair: ConnectedPair, using generator: inout SeededGenerator) throws {
        var (a, b) = (try side(pair.a, using: &generator), try side(pair.b, using: &generator))
        var identifier: UInt64 = 0
        for _ in 0..<40 {
            for _ in 0..<Int.random(in: 1...12, using: &generator) {
                identifier += 1
                if generator.chance(1, of: 2) {
                    post(identifier, from: &a, to: &b, using: &generator)
                } else {
                    post(identifier, from: &b, to: &a, using: &generator)
                }
                if generator.chance(1, of: 3) { pair.endpoint.poll() }
                if generator.chance(1, of: 10) { _ = pair.endpoint.device.prepareToSleep() }
            }
            pair.endpoint.settle()
            compare(&a)
            compare(&b)
        }
        Invariants.check(pair.endpoint)
        for side in [pair.a, pair.b] {
            #expect(!side.context.takeAsyncEvents().contains { $0.type != .communicationEstablished })
        }
    }
}

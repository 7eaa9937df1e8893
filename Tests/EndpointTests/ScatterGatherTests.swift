import CVRDMAABI
import Testing
import Verbs

@testable import Endpoint

/// Scatter/gather lists on both sides, cut at other places, over regions of many extents.
struct ScatterGatherTests {
    private static let bufferBytes = 8000

    private struct Sides {
        var pair: ConnectedPair
        var a: RegisteredBuffer
        var b: RegisteredBuffer
    }

    /// Two applications with scattered regions, and an engine that moves little in one turn.
    private func sides(_ generator: inout SeededGenerator) throws -> Sides {
        var limits = DeviceLimits()
        limits.bytesPerTurn = [1, 7, 100, 4096, 1 << 20].randomElement(using: &generator) ?? 1
        if limits.bytesPerTurn < 100 { limits.idlePollsPerQueuePair = 4 }
        let pair = try ConnectedPair(limits: limits)
        let buffers = try [pair.a, pair.b].map { side in
            let pieces = Int.random(in: 1...60, using: &generator)
            return try side.context.registerScattered(
                generator.parts(of: Self.bufferBytes, count: pieces).filter { $0 > 0 },
                protectionDomain: side.protectionDomain, using: &generator)
        }
        return Sides(pair: pair, a: buffers[0], b: buffers[1])
    }

    /// Elements of the given lengths, in random order and with gaps, that do not overlap.
    private func elements(
        _ lengths: [Int], of buffer: RegisteredBuffer, _ generator: inout SeededGenerator
    ) -> [(offset: Int, length: Int)] {
        let gaps = generator.parts(of: buffer.count - lengths.reduce(0, +), count: lengths.count + 1)
        var places = [(offset: Int, length: Int)](repeating: (0, 0), count: lengths.count)
        var offset = 0
        for (gap, position) in zip(gaps, lengths.indices.shuffled(using: &generator)) {
            offset += gap
            places[position] = (offset, lengths[position])
            offset += lengths[position]
        }
        return places
    }

    private func scatter(_ data: [UInt8], into content: inout [UInt8], _ places: [(offset: Int, length: Int)]) {
        var rest = data[...]
        for place in places {
            let part = rest.prefix(place.length)
            content.replaceSubrange(place.offset..<place.offset + part.count, with: part)
            rest = rest.dropFirst(part.count)
        }
    }

    @Test(arguments: Seeds.first(20))
    func send(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let sides = try sides(&generator)
        let (a, b) = (sides.a, sides.b)
        for _ in 0..<4 {
            let content = generator.bytes(a.count)
            a.write(content)
            let total = Int.random(in: 0...a.count / 2, using: &generator)
            let slack = generator.chance(1, of: 2) ? 0 : Int.random(in: 0...a.count / 4, using: &generator)
            let from = elements(
                generator.parts(of: total, count: Int.random(in: 1...32, using: &generator)), of: a, &generator)
            let to = elements(
                generator.parts(of: total + slack, count: Int.random(in: 1...32, using: &generator)), of: b, &generator)
            var expected = b.bytes
            scatter(from.flatMap { content[$0.offset..<$0.offset + $0.length] }, into: &expected, to)

            sides.pair.b.queuePair.postReceive(1, elements: to.map { b.element($0.offset, $0.length) })
            let completions = sides.pair.run(SendRequest(.send, from.map { a.element($0.offset, $0.length) }))
            #expect(completions.map(\.status) == [.success])
            #expect(sides.pair.b.receiveQueue.drain().map(\.byteLength) == [UInt32(total)])
            #expect(difference(b.bytes, expected) == nil)
            #expect(difference(a.bytes, content) == nil)
        }
        Invariants.check(sides.pair.endpoint)
    }

    @Test(arguments: Seeds.first(20))
    func writeAndRead(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let sides = try sides(&generator)
        let (a, b) = (sides.a, sides.b)
        for turn in 0..<4 {
            let isRead = turn % 2 == 1
            let total = Int.random(in: 0...a.count / 2, using: &generator)
            let remote = Int.random(in: 0...b.count - total, using: &generator)
            let local = elements(
                generator.parts(of: total, count: Int.random(in: 1...32, using: &generator)), of: a, &generator)
            a.write(generator.bytes(a.count))
            b.write(generator.bytes(b.count))
            var (contentOfA, contentOfB) = (a.bytes, b.bytes)
            if isRead {
                scatter(Array(contentOfB[remote..<remote + total]), into: &contentOfA, local)
            } else {
                let data = local.flatMap { contentOfA[$0.offset..<$0.offset + $0.length] }
                contentOfB.replaceSubrange(remote..<remote + total, with: data)
            }
            let elements = local.map { a.element($0.offset, $0.length) }
            let completions = sides.pair.run(SendRequest(isRead ? .rdmaRead : .rdmaWrite, elements).at(b, remote))
            #expect(completions.map(\.status) == [.success])
            #expect(completions.first?.byteLength == UInt32(total))
            #expect(difference(a.bytes, contentOfA) == nil)
            #expect(difference(b.bytes, contentOfB) == nil)
        }
        Invariants.check(sides.pair.endpoint)
    }

    /// Inline data, and the answers of atomic operations, across the borders of extents.
    @Test(arguments: Seeds.first(20))
    func smallThingsAcrossExtents(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var limits = DeviceLimits()
        limits.bytesPerTurn = [1, 5, 1 << 20].randomElement(using: &generator) ?? 1
        let pair = try ConnectedPair(limits: limits)
        let crumbs = try [pair.a, pair.b].map { side in
            try side.context.registerScattered(
                (0..<600).map { _ in Int.random(in: 1...3, using: &generator) },
                protectionDomain: side.protectionDomain, using: &generator)
        }
        let data = generator.bytes(512)
        let offset = Int.random(in: 0...80, using: &generator)
        #expect(
            pair.run(SendRequest(.rdmaWrite).at(crumbs[1], offset).with { $0.inlineData = data }).map(\.status) == [
                .success
            ])
        #expect(difference(crumbs[1].bytes(offset..<offset + 512), data) == nil)

        let old: UInt64 = generator.next()
        pair.b.buffer.write(word: old, at: 8)
        #expect(
            pair.run(.fetchAndAdd(1, into: crumbs[0].element(offset, 8), at: pair.b.buffer, 8)).map(\.status) == [
                .success
            ])
        #expect(crumbs[0].word(at: offset) == old)
        #expect(pair.b.buffer.word(at: 8) == old &+ 1)
    }

    /// A region with more extents than one turn has room for.
    @Test func manyExtents() throws {
        var generator = SeededGenerator(seed: 3)
        let pair = try ConnectedPair()
        let crumbs = try pair.b.context.registerScattered(
            [Int](repeating: 5, count: 3000), protectionDomain: pair.b.protectionDomain, using: &generator)
        let data = generator.bytes(15_000)
        pair.a.buffer.write(data)
        #expect(pair.run(.write(pair.a.buffer.element(0, 15_000), to: crumbs)).map(\.status) == [.success])
        #expect(difference(crumbs.bytes, data) == nil)
        #expect(pair.run(.read(pair.a.buffer.element(20_000, 15_000), from: crumbs)).map(\.status) == [.success])
        #expect(difference(pair.a.buffer.bytes(20_000..<35_000), data) == nil)
    }
}

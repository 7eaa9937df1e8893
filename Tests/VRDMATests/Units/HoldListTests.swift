import TestKit
import Testing

@testable import VRDMA

@Suite struct HoldListTests {
    private final class Token {}

    private final class Weak {
        weak var token: Token?

        init(_ token: Token) {
            self.token = token
        }
    }

    private func finish(_ list: inout HoldList<Token>, through index: UInt32) {
        var finished = FinishedHolds<Token>()
        list.take(through: index, into: &finished)
        finished.release()
    }

    private func empty(_ list: inout HoldList<Token>) {
        var finished = FinishedHolds<Token>()
        list.takeAll(into: &finished)
        finished.release()
        list.deallocate()
    }

    @Test func successiveRequestsShareAHold() {
        var list = HoldList<Token>()
        var token: Token? = Token()
        weak let observed = token
        for _ in 0..<100 {
            if let token { list.hold(.passUnretained(token), 0) }
            list.advance(by: 1)
        }
        token = nil
        finish(&list, through: 98)
        #expect(observed != nil)
        finish(&list, through: 99)
        #expect(observed == nil)
        empty(&list)
    }

    @Test func aResetReleasesAndBeginsAnew() {
        var list = HoldList<Token>()
        var token: Token? = Token()
        weak let observed = token
        if let token { list.hold(.passUnretained(token), 0) }
        list.advance(by: 5)
        token = nil
        #expect(observed != nil)
        var finished = FinishedHolds<Token>()
        list.takeAll(into: &finished)
        finished.release()
        #expect(observed == nil)
        #expect(list.nextIndex == 0)
        list.deallocate()
    }

    /// Random posts of several regions a request, and completions now and then, across the wrap of the index.
    @Test(arguments: [11, 12, 13, 14] as [UInt64]) func everyRegionIsHeldJustLongEnough(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var list = HoldList<Token>()
        var next: UInt32 = 0
        // Near the wrap.
        let start = UInt32.max - 300
        list.advance(by: start)
        next = start
        var completed = start &- 1
        var expected: [(last: UInt32, token: Weak)] = []
        var current = Token()
        for _ in 0..<2_000 {
            if Int.random(in: 0..<3, using: &generator) > 0 {
                let count = UInt32.random(in: 1...3, using: &generator)
                for position in 0..<count {
                    for _ in 0..<Int.random(in: 0...3, using: &generator) {
                        if Bool.random(using: &generator) { current = Token() }
                        list.hold(.passUnretained(current), position)
                        expected.append((next &+ position, Weak(current)))
                    }
                }
                list.advance(by: count)
                next = next &+ count
            } else if next &- completed > 1 {
                completed = completed &+ UInt32.random(in: 1..<(next &- completed), using: &generator)
                finish(&list, through: completed)
            }
            current = Token()
            for entry in expected {
                let isComplete = Int32(bitPattern: completed &- entry.last) >= 0
                let isHeldLater = expected.contains {
                    $0.token.token === entry.token.token && Int32(bitPattern: completed &- $0.last) < 0
                }
                if isComplete && !isHeldLater {
                    #expect(entry.token.token == nil, "seed \(seed)")
                } else {
                    #expect(entry.token.token != nil, "seed \(seed)")
                }
            }
            expected.removeAll { $0.token.token == nil }
        }
        empty(&list)
        for entry in expected { #expect(entry.token.token == nil, "seed \(seed)") }
    }

    @Test func manyFinishAtOnce() {
        var list = HoldList<Token>()
        var observed: [Weak] = []
        for _ in 0..<100 {
            let token = Token()
            observed.append(Weak(token))
            list.hold(.passUnretained(token), 0)
            list.advance(by: 1)
        }
        #expect(observed.allSatisfy { $0.token != nil })
        finish(&list, through: 99)
        #expect(observed.allSatisfy { $0.token == nil })
        empty(&list)
    }
}

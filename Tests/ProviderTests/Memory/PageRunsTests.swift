import TestKit
import Testing

@testable import Provider

@Suite struct PageRunsTests {
    @Test func pagesBeyondTheEndAreNeverGiven() {
        var runs = PageRuns(pageCount: 70)
        #expect(runs.takenCount == 0)
        #expect(runs.take(71) == nil)
        #expect(runs.take(70) == 0)
        #expect(runs.take(1) == nil)
        #expect(runs.take(1, at: 70) == false)
        #expect(runs.takenCount == 70)
    }

    @Test func aRunMayCrossWords() {
        var runs = PageRuns(pageCount: 256)
        #expect(runs.take(60, at: 0) == true)
        #expect(runs.take(10) == 60)
        #expect(runs.take(64, at: 70) == true)
        #expect(runs.take(1) == 134)
        runs.release(62..<66)
        #expect(runs.take(5) == 135)
        #expect(runs.take(4) == 62)
    }

    @Test func missingRuns() {
        var mine = PageRuns(pageCount: 200)
        mine.mark(10..<150)
        var other = PageRuns(pageCount: 200)
        other.mark(20..<21)
        other.mark(64..<128)
        #expect(mine.runs(missingIn: other) == [10..<20, 21..<64, 128..<150])
        #expect(other.runs(missingIn: mine) == [])
    }

    @Test func behavesAsASetOfPages() {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(seed: seed)
        var runs = PageRuns(pageCount: 300)
        var model: Set<Int> = []
        for _ in 0..<2000 {
            let count = Int.random(in: 1...40, using: &generator)
            if Bool.random(using: &generator) {
                if let first = runs.take(count) {
                    #expect(model.isDisjoint(with: first..<first + count), "seed \(seed)")
                    model.formUnion(first..<first + count)
                } else {
                    let hasRoom = (0...(300 - count)).contains { model.isDisjoint(with: $0..<$0 + count) }
                    #expect(!hasRoom, "seed \(seed)")
                }
            } else {
                let first = Int.random(in: 0..<300, using: &generator)
                runs.release(first..<first + count)
                model.subtract(first..<first + count)
            }
            #expect(runs.takenCount == model.count, "seed \(seed)")
        }
    }
}

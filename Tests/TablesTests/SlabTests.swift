import Tables
import TestKit
import Testing

/// Tables whose elements never move, and whose stale indices are recognised.
struct SlabTests {
    @Test func fillsAndRefuses() {
        let slab = Slab<UInt64>(capacity: 3)
        #expect((0..<3).map { slab.insert(UInt64($0)) } == [0, 1, 2])
        #expect(slab.insert(9) == nil)
        #expect(slab.count == 3)
        slab.remove(1)
        #expect(slab.insert(9) == 1)
        #expect(slab[1] == 9)
        #expect(slab.insert(9) == nil)
    }

    /// Indices that are chosen from outside.
    @Test func chosenIndices() {
        let slab = Slab<UInt64>(capacity: 1 << 20)
        #expect(slab.insert(7, at: 0xf_ffff))
        #expect(slab.insert(8, at: 0))
        #expect(!slab.insert(9, at: 0xf_ffff))
        for beyond in [UInt32(1 << 20), .max] { #expect(!slab.insert(9, at: beyond)) }
        #expect((slab.count, slab[0xf_ffff], slab[0]) == (2, 7, 8))
        let generation = slab.generation(0xf_ffff)
        slab.removeChosen(0xf_ffff)
        slab.removeChosen(0xf_ffff)
        slab.removeChosen(.max)
        #expect(slab.count == 1)
        #expect(!slab.view.isLive(0xf_ffff))
        #expect(slab.insert(10, at: 0xf_ffff))
        #expect(slab.generation(0xf_ffff) != generation)
        #expect(slab.view.isLive(0xf_ffff))
    }

    @Test func firstIndex() {
        let slab = Slab<UInt8>(capacity: 3, firstIndex: 1)
        #expect(slab.insert(5) == 1)
        #expect(slab.insert(6) == 2)
        #expect(slab.insert(7) == nil)
        #expect(!slab.isLive(0))
        #expect(slab.liveIndices == [1, 2])
    }

    /// Any number may be asked for.
    @Test func strangeIndices() {
        let slab = Slab<UInt64>(capacity: 2)
        _ = slab.insert(1)
        for index in [UInt32(1), 2, 3, 0x8000_0000, .max] {
            #expect(!slab.isLive(index))
            #expect(!slab.view.isLive(index))
            slab.remove(index)
        }
        #expect(slab.generation(.max) == 0)
        #expect(slab.view.generation(2) == 0)
        #expect(slab.count == 1)
    }

    @Test func removedTwice() {
        let slab = Slab<UInt64>(capacity: 2)
        _ = slab.insert(1)
        slab.remove(0)
        slab.remove(0)
        #expect(slab.count == 0)
        #expect([slab.insert(1), slab.insert(2), slab.insert(3)] == [1, 0, nil])
    }

    @Test func elementsDoNotMove() {
        let slab = Slab<UInt64>(capacity: 10_000)
        _ = slab.insert(42)
        let before = withUnsafePointer(to: &slab[0]) { UInt(bitPattern: $0) }
        for value in UInt64(1)..<10_000 { _ = slab.insert(value) }
        #expect(withUnsafePointer(to: &slab[0]) { UInt(bitPattern: $0) } == before)
        slab[7] = 70
        #expect(slab.view[7] == 70)
    }

    /// Against a dictionary: indices are unique, generations odd while live and never used twice for an index.
    @Test(arguments: Seeds.first(5))
    func model(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let slab = Slab<UInt64>(capacity: 20)
        var model: [UInt32: UInt64] = [:]
        var generations: [UInt32: Set<UInt32>] = [:]
        for _ in 0..<2000 {
            if Bool.random(using: &generator) {
                let value = generator.next()
                let index = slab.insert(value)
                #expect((index == nil) == (model.count == 20))
                if let index {
                    #expect(model.updateValue(value, forKey: index) == nil)
                    #expect(generations[index, default: []].insert(slab.generation(index)).inserted)
                }
            } else if let index = model.keys.sorted().randomElement(using: &generator) {
                slab.remove(index)
                model[index] = nil
            }
            #expect(slab.count == model.count)
        }
        #expect(slab.liveIndices == model.keys.sorted())
        for (index, value) in model {
            #expect(slab[index] == value)
            #expect(slab.view[index] == value)
            #expect(slab.generation(index) & 1 == 1)
        }
        for index in UInt32(0)..<20 where model[index] == nil { #expect(slab.generation(index) & 1 == 0) }
    }
}

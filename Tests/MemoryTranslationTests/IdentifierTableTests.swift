import MemoryTranslation
import TestKit
import Testing
import Verbs

/// From guests' identifiers to the device's and back.
struct IdentifierTableTests {
    private typealias Virtual = IdentifierTables.Virtual

    @Test func bothWays() {
        var tables = IdentifierTables()
        let (one, other) = (Virtual(guest: 1, number: 7), Virtual(guest: 2, number: 7))
        tables.join(one, 100)
        tables.join(other, 101)
        #expect(tables.real(of: one) == 100)
        #expect(tables.real(of: other) == 101)
        #expect(tables.virtual(of: 101) == other)
        #expect(tables.real(of: Virtual(guest: 3, number: 7)) == nil)
        tables.remove(one)
        tables.remove(one)
        #expect(tables.real(of: one) == nil)
        #expect(tables.virtual(of: 100) == nil)
        #expect(tables.count == 1)
        tables.removeAll()
        #expect(tables.count == 0)
        #expect(tables.virtual(of: 101) == nil)
    }

    /// Whatever is joined anew leaves nothing of before.
    @Test func joinsAnew() {
        var tables = IdentifierTables()
        let (one, other) = (Virtual(guest: 1, number: 7), Virtual(guest: 1, number: 8))
        tables.join(one, 100)
        tables.join(one, 200)
        #expect(tables.virtual(of: 100) == nil)
        tables.join(other, 200)
        #expect(tables.real(of: one) == nil)
        #expect(tables.virtual(of: 200) == other)
        #expect(tables.count == 1)
    }

    /// Each is the other's inverse, whatever happens.
    @Test(arguments: Seeds.first(20)) func inverse(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var tables = IdentifierTables()
        for _ in 0..<500 {
            let virtual = Virtual(
                guest: UInt32.random(in: 0..<3, using: &generator), number: UInt32.random(in: 0..<8, using: &generator))
            if generator.chance(1, of: 3) {
                tables.remove(virtual)
            } else {
                tables.join(virtual, UInt32.random(in: 0..<20, using: &generator))
            }
            var count = 0
            for guest in UInt32(0)..<3 {
                for number in UInt32(0)..<8 {
                    let virtual = Virtual(guest: guest, number: number)
                    guard let real = tables.real(of: virtual) else { continue }
                    count += 1
                    if tables.virtual(of: real) != virtual { Issue.record("\(virtual) does not come back") }
                }
            }
            #expect((0..<20).count { tables.virtual(of: $0) != nil } == count)
            #expect(tables.count == count)
        }
    }
}

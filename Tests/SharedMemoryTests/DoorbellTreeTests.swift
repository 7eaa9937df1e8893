import CLinux
import CVRDMAABI
import SharedMemory
import Testing

/// Doorbells: what is rung is taken once, whatever else is in the words.
struct DoorbellTreeTests {
    private let mapping: Mapping
    private let tree: DoorbellTree

    init() throws {
        mapping = try Mapping(name: "vrdma-test", sizeBytes: DoorbellTree.sizeBytes)
        tree = try #require(DoorbellTree(mapping))
    }

    private func take(_ limit: Int = .max >> 1) -> [UInt32] {
        var taken: [UInt32] = []
        let count = tree.take(limit: limit) { taken.append($0) }
        #expect(count == taken.count)
        return taken
    }

    @Test func size() throws {
        #expect(DoorbellTree.sizeBytes == 33_536)
        #expect(DoorbellTree(try Mapping(name: "vrdma-test", sizeBytes: DoorbellTree.sizeBytes - 1)) == nil)
    }

    @Test func version() {
        #expect(!tree.isCompatible)
        tree.initialize()
        #expect(tree.isCompatible)
        #expect(tree.kickWanted.relaxed() == 1)
        mapping.base.storeBytes(of: UInt16(VRDMA_ABI_MAJOR + 1), toByteOffset: 4, as: UInt16.self)
        #expect(!tree.isCompatible)
    }

    @Test(arguments: [UInt32(0), 1, 63, 64, 4095, 4096, 2 * VRDMA_DOORBELL_SLOTS - 1])
    func one(queue: UInt32) {
        #expect(!tree.isAnyRung)
        tree.ring(queue)
        tree.ring(queue)
        #expect(tree.isAnyRung)
        #expect(take() == [queue])
        #expect(take().isEmpty)
        #expect(!tree.isAnyRung)
    }

    /// A queue that no slot has is ignored.
    @Test(arguments: [2 * VRDMA_DOORBELL_SLOTS, .max])
    func outside(queue: UInt32) {
        tree.ring(queue)
        #expect(!tree.isAnyRung)
    }

    /// Bits without what they lead to, as a careless or hostile application leaves them.
    @Test func hollowBits() {
        _ = clinux_fetch_or64(mapping.base + 64, .max)
        #expect(take().isEmpty)
        for word in 0..<64 { _ = clinux_fetch_or64(mapping.base + 256 + 8 * word, .max) }
        _ = clinux_fetch_or64(mapping.base + 64, .max)
        tree.ring(777)
        // The work of one call is bounded also where there is nothing to take.
        var found: [UInt32] = []
        var calls = 0
        while tree.isAnyRung, calls < 10_000 {
            found += take(16)
            calls += 1
        }
        #expect(found == [777])
        #expect((200...4096).contains(calls))
    }

    @Test func allAtOnce() {
        memset(mapping.base + 64, 0xff, 8)
        memset(mapping.base + 256, 0xff, 64 * 8 + 4096 * 8)
        var found: Set<UInt32> = []
        while tree.isAnyRung {
            let taken = take(100)
            // At most one leaf more than the limit.
            #expect(taken.count <= 164)
            found.formUnion(taken)
        }
        #expect(found.count == Int(2 * VRDMA_DOORBELL_SLOTS))
    }

    /// Against a set: what is rung and not yet taken.
    @Test(arguments: Seeds.first(8))
    func model(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let ranges: [UInt32] = [10, 500, 2 * VRDMA_DOORBELL_SLOTS]
        let range = ranges.randomElement(using: &generator) ?? 10
        var model: Set<UInt32> = []
        for _ in 0..<500 {
            for _ in 0..<Int.random(in: 0...20, using: &generator) {
                let queue = UInt32.random(in: 0..<range, using: &generator)
                tree.ring(queue)
                model.insert(queue)
            }
            let limit = Int.random(in: 1...30, using: &generator)
            for queue in take(limit) { #expect(model.remove(queue) != nil) }
            #expect(tree.isAnyRung || model.isEmpty)
        }
        while tree.isAnyRung { for queue in take(7) { #expect(model.remove(queue) != nil) } }
        #expect(model.isEmpty)
    }

    /// An application that sets the bits one by one while the endpoint takes them: nothing is lost.
    @Test(arguments: Seeds.first(4))
    func interleaved(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var rung: Set<UInt32> = []
        var steps: [(UInt32, Int)] = []
        for _ in 0..<5000 {
            if Bool.random(using: &generator) {
                if steps.count < 4 { steps.append((UInt32.random(in: 0..<20_000, using: &generator), 0)) }
                let position = Int.random(in: 0..<steps.count, using: &generator)
                let (queue, step) = steps[position]
                let bits = [(768, Int(queue)), (256, Int(queue) / 64), (64, Int(queue) / 4096)][step]
                _ = clinux_fetch_or64(mapping.base + bits.0 + 8 * (bits.1 / 64), 1 << UInt64(bits.1 % 64))
                if step == 0 { rung.insert(queue) }
                if step == 2 { steps.remove(at: position) } else { steps[position].1 += 1 }
            } else {
                // A bell may be taken before all of its bits are set, and then once more as a hollow one.
                for queue in take(Int.random(in: 1...10, using: &generator)) { #expect(rung.remove(queue) != nil) }
            }
        }
        for (queue, _) in steps { tree.ring(queue) }
        while tree.isAnyRung { for queue in take() { rung.remove(queue) } }
        #expect(rung.isEmpty)
    }
}

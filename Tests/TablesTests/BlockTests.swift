import Tables
import Testing

struct BlockTests {
    @Test func elements() {
        let block = Block<UInt32>.allocate(count: 100, repeating: 7)
        defer { block.deallocate() }
        #expect(block.count == 100)
        #expect((0..<100).allSatisfy { block[$0] == 7 })
        // A copy is the same block.
        let copy = block
        copy[99] = 1
        block[0] += 1
        #expect((block[99], copy[0]) == (1, 8))
    }

    @Test func empty() {
        #expect(Block<UInt64>.empty.count == 0)
        Block<UInt64>.empty.deallocate()
        let none = Block<UInt64>.allocate(count: 0, repeating: 0)
        #expect(none.count == 0)
        none.deallocate()
    }
}

import Tables
import TestKit
import Testing

struct IndexListTests {
    private func content(_ list: IndexList) -> [UInt32] { (0..<list.count).map { list[$0] } }

    @Test func appendAndRemove() {
        let list = IndexList(capacity: 4)
        defer { list.deallocate() }
        #expect(list.isEmpty)
        for index in UInt32(10)..<14 { list.append(index) }
        #expect(content(list) == [10, 11, 12, 13])
        list.removeSwapping(at: 1)
        #expect(content(list) == [10, 13, 12])
        list.removeSwapping(at: 2)
        #expect(content(list) == [10, 13])
        list.removeAll()
        #expect(list.isEmpty)
    }

    @Test func full() {
        let list = IndexList(capacity: 2)
        defer { list.deallocate() }
        for index in UInt32(0)..<5 { list.append(index) }
        #expect(content(list) == [0, 1])
        let none = IndexList(capacity: 0)
        defer { none.deallocate() }
        none.append(1)
        #expect(none.isEmpty)
    }

    @Test(arguments: Seeds.first(3))
    func model(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let list = IndexList(capacity: 50)
        defer { list.deallocate() }
        var model: [UInt32] = []
        for _ in 0..<2000 {
            if Int.random(in: 0..<5, using: &generator) < 3 {
                let value = UInt32(truncatingIfNeeded: generator.next())
                list.append(value)
                if model.count < 50 { model.append(value) }
            } else if let position = model.indices.randomElement(using: &generator) {
                list.removeSwapping(at: position)
                model.swapAt(position, model.count - 1)
                model.removeLast()
            }
            #expect(list.count == model.count)
        }
        #expect(content(list) == model)
    }
}

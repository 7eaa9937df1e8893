import MemoryTranslation
import Testing
import Verbs

struct NumberNamespaceTests {
    private func allocate(_ namespace: inout NumberNamespace, for index: UInt32) throws -> QueuePairNumber {
        let number = namespace.allocate(for: index)
        return try #require(number)
    }

    @Test func allocates() throws {
        var namespace = NumberNamespace(limit: 3)
        let numbers = try (0..<3).map { try allocate(&namespace, for: UInt32($0)) }
        let fourth = namespace.allocate(for: 9)
        #expect(fourth == nil)
        #expect(numbers.map { namespace[$0] } == [0, 1, 2])
        // 0 and 1 belong to the management queue pairs (IBA 3.5.1).
        #expect(numbers.allSatisfy { $0.rawValue > 1 })
        namespace.release(numbers[1])
        #expect(namespace[numbers[1]] == nil)
        #expect(namespace.count == 2)
        // Not the one that was just freed.
        let next = try allocate(&namespace, for: 9)
        #expect(next != numbers[1])
    }

    @Test func goesRound() throws {
        var namespace = NumberNamespace(limit: 2)
        let kept = try allocate(&namespace, for: 7)
        var seen: Set<QueuePairNumber> = []
        for _ in 0..<100_000 {
            let number = try allocate(&namespace, for: 1)
            if !seen.insert(number).inserted { Issue.record("number \(number) came back too early") }
            namespace.release(number)
        }
        #expect(!seen.contains(kept))
        #expect(namespace[kept] == 7)
    }

    /// A namespace with every number of a window in use still finds the free one.
    @Test func crowded() throws {
        var namespace = NumberNamespace(limit: 1000)
        let numbers = try (0..<1000).map { try allocate(&namespace, for: UInt32($0)) }
        #expect(Set(numbers).count == 1000)
        #expect(Set(namespace.numbers) == Set(numbers))
        for number in numbers.reversed() {
            namespace.release(number)
            _ = try allocate(&namespace, for: 1)
        }
        #expect(namespace.count == 1000)
    }

    @Test func strangers() {
        var namespace = NumberNamespace(limit: 1)
        #expect(namespace[QueuePairNumber(rawValue: 0)] == nil)
        namespace.release(QueuePairNumber(rawValue: 12345))
        #expect(namespace.count == 0)
    }
}

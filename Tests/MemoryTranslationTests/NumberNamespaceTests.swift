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

    /// A device chooses: its number is taken when it is free and may be a queue pair's.
    @Test func wantedNumbers() throws {
        var namespace = NumberNamespace(limit: 4)
        func wanted(_ raw: UInt32, for index: UInt32) -> UInt32? {
            namespace.allocate(for: index, wanted: QueuePairNumber(rawValue: raw))?.rawValue
        }
        #expect(wanted(0xff_ffff, for: 1) == 0xff_ffff)
        #expect(wanted(2, for: 2) == 2)
        let taken = try #require(wanted(2, for: 3))
        #expect(taken != 2)
        let special = try #require(wanted(1, for: 4))
        #expect(special > 1)
        #expect(wanted(77, for: 5) == nil)
        #expect(namespace.count == 4)
        #expect(namespace[QueuePairNumber(rawValue: 2)] == 2)
        namespace.release(QueuePairNumber(rawValue: 2))
        #expect(wanted(2, for: 6) == 2)
        // Numbers that are given out in turn pass by those that a device chose.
        namespace.release(QueuePairNumber(rawValue: taken))
        namespace.release(QueuePairNumber(rawValue: special))
        var next = NumberNamespace(limit: 3)
        let first = try allocate(&next, for: 1)
        let second = next.allocate(for: 2, wanted: QueuePairNumber(rawValue: first.rawValue + 1))
        #expect(second?.rawValue == first.rawValue + 1)
        #expect(try allocate(&next, for: 3).rawValue == first.rawValue + 2)
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

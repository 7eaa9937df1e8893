import Glibc
import LinuxIO
import Testing
import Verbs

/// Waiting for descriptors, and what wakes.
struct PollerTests {
    private func ready(_ poller: Poller) throws -> [UInt64] {
        var ready: [Poller.Ready] = []
        try poller.wait(timeoutNanoseconds: 0, into: &ready)
        return ready.map(\.token).sorted()
    }

    @Test func levelTriggered() throws {
        let poller = try Poller()
        let event = try EventDescriptor.create()
        try poller.add(event.rawValue, token: 5)
        #expect(try ready(poller).isEmpty)
        EventDescriptor.signal(event.rawValue)
        #expect(try ready(poller) == [5])
        #expect(try ready(poller) == [5])
        EventDescriptor.clear(event.rawValue)
        #expect(try ready(poller).isEmpty)
        // Clearing what is clear does not block.
        EventDescriptor.clear(event.rawValue)
    }

    /// Reported once for each signal, without ever being read.
    @Test func edgeTriggered() throws {
        let poller = try Poller()
        let event = try EventDescriptor.create()
        try poller.add(event.rawValue, token: 5, edgeTriggered: true)
        for _ in 0..<5 {
            EventDescriptor.signal(event.rawValue)
            #expect(try ready(poller) == [5])
            #expect(try ready(poller).isEmpty)
        }
    }

    /// A counter that is full does not hold the signalling side up.
    @Test func fullCounter() throws {
        let event = try EventDescriptor.create()
        var most: UInt64 = .max - 1
        #expect(write(event.rawValue, &most, 8) == 8)
        EventDescriptor.signal(event.rawValue)
    }

    @Test func hangUp() throws {
        let poller = try Poller()
        var ready: [Poller.Ready] = []
        let kept: FileDescriptor
        do {
            let (one, other) = try PacketSocket.pair()
            try poller.add(one.rawValue, token: 9)
            kept = one
            _ = other
        }
        try poller.wait(timeoutNanoseconds: 0, into: &ready)
        #expect(ready.map(\.isHungUp) == [true])
        _ = kept
    }

    @Test func removal() throws {
        let poller = try Poller()
        let event = try EventDescriptor.create()
        try poller.add(event.rawValue, token: 1)
        #expect(throws: Errno.alreadyExists) { try poller.add(event.rawValue, token: 2) }
        EventDescriptor.signal(event.rawValue)
        poller.remove(event.rawValue)
        #expect(try ready(poller).isEmpty)
        poller.remove(event.rawValue)
        #expect(throws: Errno.self) { try poller.add(-1, token: 1) }
    }

    @Test func many() throws {
        let poller = try Poller()
        let events = try (0..<100).map { _ in try EventDescriptor.create() }
        for (token, event) in events.enumerated() {
            try poller.add(event.rawValue, token: UInt64(token), edgeTriggered: true)
            EventDescriptor.signal(event.rawValue)
        }
        // At most 64 a call; the rest comes with the next.
        var found: Set<UInt64> = []
        for _ in 0..<3 { found.formUnion(try ready(poller)) }
        #expect(found.count == 100)
    }

    /// A short wait ends by itself.
    @Test func timeout() throws {
        var ready: [Poller.Ready] = []
        try Poller().wait(timeoutNanoseconds: 1000, into: &ready)
        #expect(ready.isEmpty)
    }

    @Test func eventDescriptors() throws {
        #expect(EventDescriptor.isEventDescriptor(try EventDescriptor.create()))
        #expect(!EventDescriptor.isEventDescriptor(try PacketSocket.pair().0))
        #expect(!EventDescriptor.isEventDescriptor(try MemoryFile.create(name: "[eventfd]", sizeBytes: 1)))
        #expect(!EventDescriptor.isEventDescriptor(FileDescriptor(taking: -1)))
    }
}

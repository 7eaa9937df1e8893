import CVRDMAABI
import Endpoint
import Glibc
import LinuxIO
import SharedMemory
import Testing
import Verbs

@testable import EndpointRuntime

/// Events reach applications; a socket that is full or gone holds nobody up.
final class OutputDeliveryTests {
    private let log = CollectedLog()
    private var delivery: OutputDelivery
    private let application: FileDescriptor
    private let endpoint: FileDescriptor

    init() throws {
        delivery = OutputDelivery(log: log.log, releaser: try MemoryReleaser())
        (application, endpoint) = try PacketSocket.pair()
    }

    private func completionEvent(_ queue: UInt32) -> DeviceOutput {
        .completionEvent(socket: endpoint, vrdma_completion_event(cq: queue, slot: queue + 100))
    }

    private func receive<Event: BitwiseCopyable>(as type: Event.Type) throws -> Event? {
        try withUnsafeTemporaryAllocation(byteCount: MemoryLayout<Event>.size, alignment: 8) { buffer in
            let received = try PacketSocket.receive(application.rawValue, into: buffer, blocking: false)
            guard let received else { return nil }
            #expect(received.byteCount == MemoryLayout<Event>.size)
            return buffer.load(as: Event.self)
        }
    }

    private func queues() throws -> [UInt32] {
        var found: [UInt32] = []
        while let event = try receive(as: vrdma_completion_event.self) { found.append(event.cq) }
        return found
    }

    @Test func completionEvents() throws {
        delivery.deliver([completionEvent(3), completionEvent(4)], now: 0)
        #expect(delivery.deadlineNanoseconds == nil)
        let event = try #require(try receive(as: vrdma_completion_event.self))
        #expect((event.cq, event.slot) == (3, 103))
        #expect(try queues() == [4])
    }

    @Test func asyncEvents() throws {
        let event = vrdma_async_event(event_type: 1, element: 17, slot: 2, reserved: 0)
        delivery.deliver([.asyncEvent(socket: endpoint, event)], now: 0)
        let received = try #require(try receive(as: vrdma_async_event.self))
        #expect((received.event_type, received.element, received.slot) == (1, 17, 2))
    }

    @Test func violations() {
        delivery.deliver([.violation(guest: "one", reason: "it lied")], now: 0)
        #expect(log.texts.count == 1)
        #expect(log.texts[0].contains("guest=one"))
        #expect(log.texts[0].contains("it lied"))
        // Not for every time.
        delivery.deliver((0..<100).map { _ in .violation(guest: "one", reason: "it lied") }, now: 0)
        #expect(log.texts.count == 1)
        delivery.deliver([.violation(guest: "two", reason: "it lied")], now: 0)
        #expect(log.texts.count == 2)
    }

    /// The log names the device and what to do.
    @Test func hostOutputs() throws {
        let adapter = PlayedHostAdapter(try PlayedHostAdapter.Script(), addresses: [])
        delivery = OutputDelivery(
            log: log.log, releaser: try MemoryReleaser(), host: HostDescription(adapter, port: 1))
        delivery.deliver(
            [
                .hostLost, .hostAvailable, .addressMissing(guest: "one", address: GID(ipv4: 0x0a00_0007)),
                .addressMissing(guest: "one", address: GID(ipv4: 0x0a00_0007)),
                .hostObjectLost(guest: "two", reason: "a memory region: ENOMEM"),
            ], now: 0)
        #expect(log.texts.count == 4)
        #expect(log.texts.allSatisfy { $0.contains("device=played0") })
        #expect(log.texts[2].contains("ip address add 10.0.0.7/PREFIX dev INTERFACE"))
        #expect(log.texts[3].contains("guest=two"))
    }

    private func fillSocket() throws -> Int {
        var count = 0
        while delivery.deadlineNanoseconds == nil, count < 100_000 {
            delivery.deliver([completionEvent(1)], now: 0)
            count += 1
        }
        return count - 1
    }

    /// The events of a full socket are kept, one for each queue, and come later.
    @Test func fullSocket() throws {
        let delivered = try fillSocket()
        #expect(delivered > 0)
        for _ in 0..<10 { delivery.deliver([completionEvent(2), completionEvent(3)], now: 5) }
        let deadline = try #require(delivery.deadlineNanoseconds)
        #expect(deadline > 5)
        delivery.retry(now: deadline - 1) { _ in self.endpoint }
        #expect(try queues().count == delivered)
        delivery.retry(now: deadline - 1) { _ in self.endpoint }
        #expect(try queues().isEmpty)
        delivery.retry(now: deadline) { _ in self.endpoint }
        #expect(try queues().sorted() == [1, 2, 3])
        #expect(delivery.deadlineNanoseconds == nil)
    }

    @Test func stillFull() throws {
        _ = try fillSocket()
        let first = try #require(delivery.deadlineNanoseconds)
        delivery.retry(now: first) { _ in self.endpoint }
        let second = try #require(delivery.deadlineNanoseconds)
        #expect(second > first)
    }

    /// What was kept for a queue that is gone, or that is another's now, is dropped.
    @Test(arguments: [true, false])
    func queueIsGone(isReused: Bool) throws {
        let delivered = try fillSocket()
        let deadline = try #require(delivery.deadlineNanoseconds)
        #expect(try queues().count == delivered)
        let other = try PacketSocket.pair().0
        delivery.retry(now: deadline) { _ in isReused ? other : nil }
        #expect(try queues().isEmpty)
        #expect(delivery.deadlineNanoseconds == nil)
    }

    /// A full socket loses asynchronous events (docs/abi.md, "Context").
    @Test func asyncEventsAreDropped() throws {
        let delivered = try fillSocket()
        delivery.deliver([.asyncEvent(socket: endpoint, vrdma_async_event())], now: 0)
        #expect(try queues().count == delivered)
    }

    @Test func closedSocket() throws {
        shutdown(application.rawValue, Int32(SHUT_RDWR))
        delivery.deliver([completionEvent(1), .asyncEvent(socket: endpoint, vrdma_async_event())], now: 0)
        #expect(delivery.deadlineNanoseconds == nil)
    }
}

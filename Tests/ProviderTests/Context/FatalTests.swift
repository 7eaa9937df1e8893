import CLinux
import CVRDMAABI
import Glibc
import TestKit
import Testing
import Verbs

@testable import Provider

/// A guest driver or endpoint that is gone: nobody hangs.
@Suite struct FatalTests {
    @Test func outstandingRequestsAreFlushedInOrder() throws {
        let fixture = try ProviderFixture(signalAll: false)
        let number = fixture.queuePair.pointee.number
        fixture.postReceives(3, first: 500)
        fixture.postSends(8, first: 0)
        // The first three are done; only the second said so.
        for _ in 0..<3 {
            let taken = try #require(fixture.driver.takeSend(number))
            if taken.wqe.wr_id == 1 {
                fixture.driver.complete(
                    fixture.completionQueue.pointee.handle, number, identifier: 1, index: taken.index, .rdmaWrite)
            }
        }
        fixture.driver.die()
        var polled: [ProviderFixture.Polled] = []
        for _ in 0..<5000 where polled.count < 9 { polled += fixture.poll(4) }
        #expect(polled.first == .init(identifier: 1, status: .success, opcode: 1))
        #expect(polled.dropFirst().map(\.identifier) == [3, 4, 5, 6, 7, 500, 501, 502])
        #expect(polled.dropFirst().allSatisfy { $0.status == .flushError })
        #expect(polled.suffix(3).allSatisfy { $0.opcode == WorkCompletionOpcode.receive.rawValue })
        // What is posted from now on is flushed as well.
        for round: UInt64 in 0..<50 {
            #expect(fixture.postSends(4, first: round) == 4)
            #expect(fixture.poll(2).map(\.identifier) == [round, round + 1])
            #expect(fixture.poll().map(\.identifier) == [round + 2, round + 3])
        }
        #expect(fixture.poll() == [])
    }

    @Test func everyQueuePairThatIsLeftIsFlushed() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(seed: seed)
        let fixture = try ProviderFixture()
        var left = [fixture.queuePair]
        for _ in 0..<30 { left.append(try ProviderFixture.makeQueuePair(fixture.context, fixture.completionQueue)) }
        for _ in 0..<15 {
            let index = Int.random(in: 0..<left.count, using: &generator)
            try fixture.context.destroyQueuePair(left.remove(at: index))
        }
        for (index, queuePair) in left.enumerated() {
            ProviderFixture.postSends(queuePair, 1, first: UInt64(index))
        }
        fixture.driver.die()
        #expect(fixture.context.isFatal)
        #expect(Set(fixture.poll().map(\.identifier)) == Set((0..<16).map { UInt64($0) }), "seed \(seed)")
        for queuePair in left.shuffled(using: &generator) { try fixture.context.destroyQueuePair(queuePair) }
        try fixture.context.destroyCompletionQueue(fixture.completionQueue)
    }

    @Test func controlFailsAndDestroyingSucceeds() throws {
        let fixture = try ProviderFixture()
        #expect(!fixture.context.isFatal)
        fixture.driver.die()
        #expect(fixture.context.isFatal)
        #expect(throws: Errno.inputOutput) { try fixture.context.allocateProtectionDomain() }
        #expect(throws: Errno.inputOutput) { try fixture.context.createCompletionQueue(entries: 4) }
        let memory = PrivateMemory(pages: 1)
        #expect(throws: Errno.inputOutput) {
            try fixture.context.registerMemory(
                protectionDomain: 1, address: memory.address, lengthBytes: 10, virtualAddress: 0, access: 1)
        }
        try fixture.context.destroyQueuePair(fixture.queuePair)
        try fixture.context.destroyCompletionQueue(fixture.completionQueue)
        try fixture.context.deallocateProtectionDomain(1)
        #expect(throws: (any Error).self) { try ProviderContext.open(socketPath: fixture.driver.path) }
    }

    @Test func asyncEventsEndWithOneFatalOne() throws {
        let fixture = try ProviderFixture()
        let socket = try #require(fixture.driver.asyncSocket)
        var event = vrdma_async_event(event_type: 3, element: 5, slot: 6, reserved: 0)
        #expect(send(socket.rawValue, &event, MemoryLayout.size(ofValue: event), 0) > 0)
        #expect(try fixture.context.nextAsyncEvent().element == 5)
        _ = fcntl(fixture.context.asyncDescriptor, F_SETFL, O_NONBLOCK)
        #expect(throws: Errno.wouldBlock) { try fixture.context.nextAsyncEvent() }
        fixture.driver.die()
        #expect(try fixture.context.nextAsyncEvent().event_type == AsyncEventType.deviceFatal.rawValue)
        #expect(throws: Errno.inputOutput) { try fixture.context.nextAsyncEvent() }
    }

    @Test func armedQueuesHaveOneEventEach() throws {
        let driver = try FakeGuestDriver()
        defer { driver.die() }
        let context = try ProviderContext.open(socketPath: driver.path)
        let channel = try context.createCompletionChannel()
        let queues = try (0..<3).map { _ in try context.createCompletionQueue(entries: 4, channel: channel.handle) }
        queues[0].arm(solicitedOnly: false)
        queues[2].arm(solicitedOnly: true)
        let ring = try #require(driver.completionQueues[queues[0].pointee.handle]).ring
        #expect(ring.arm.relaxed() & 3 == VRDMA_CQ_ARM_ANY)
        #expect(ring.arm.relaxed() >> 2 == 1)
        let socket = try #require(driver.channels[channel.handle])
        // One of a queue that is gone, and one that is real.
        for (handle, slot) in [(77, 12345), (queues[0].pointee.handle, queues[0].pointee.slot)] {
            var event = vrdma_completion_event(cq: handle, slot: slot)
            #expect(send(socket.rawValue, &event, MemoryLayout.size(ofValue: event), 0) > 0)
        }
        ring.armServed.storeRelaxed(ring.arm.relaxed())
        #expect(try context.nextCompletionEvent(channel) == queues[0])
        _ = fcntl(channel.descriptor, F_SETFL, O_NONBLOCK)
        #expect(throws: Errno.wouldBlock) { try context.nextCompletionEvent(channel) }
        driver.die()
        #expect(try context.nextCompletionEvent(channel) == queues[2])
        #expect(throws: Errno.inputOutput) { try context.nextCompletionEvent(channel) }
        queues[1].arm(solicitedOnly: false)
        #expect(try context.nextCompletionEvent(channel) == queues[1])
        #expect(throws: Errno.inputOutput) { try context.nextCompletionEvent(channel) }
    }

    @Test func theChildOfAForkCannotHarmItsParent() throws {
        let fixture = try ProviderFixture()
        fixture.postSends(2)
        let other = try fixture.context.createCompletionQueue(entries: 1)
        other.arm(solicitedOnly: false)
        #expect(other.poll(1) { _, _, _ in } == 0)
        #expect(!fixture.context.isFatal)
        let result = inChild {
            guard fixture.context.isFatal else { return 1 }
            fixture.postSends(5, first: 70)
            fixture.completionQueue.arm(solicitedOnly: false)
            return fixture.completionQueue.poll(64) { _, _, _ in } == 7 ? 0 : 2
        }
        #expect(result == 0)
        #expect(fixture.driver.completeSends(fixture.queuePair.pointee.number) == 2)
        #expect(fixture.poll().map(\.identifier) == [0, 1])
        let handle = fixture.completionQueue.pointee.handle
        #expect(fixture.driver.completionQueues[handle]?.ring.arm.relaxed() == 0)
        #expect(!fixture.context.isFatal)
    }

    @Test func aWelcomeThatIsNoneIsRefused() throws {
        let driver = try FakeGuestDriver()
        defer { driver.die() }
        driver.welcome.major = 99
        #expect(throws: Errno.protocolNotSupported) { try ProviderContext.open(socketPath: driver.path) }
        driver.welcome.status = UInt32(EACCES)
        #expect(throws: Errno.accessDenied) { try ProviderContext.probe(socketPath: driver.path) }
        driver.welcome.magic = 0
        #expect(throws: Errno.protocolError) { try ProviderContext.probe(socketPath: driver.path) }
        #expect(throws: Errno.noSuchFile) { try ProviderContext.probe(socketPath: "/nonexistent/socket") }
    }
}

import CVRDMAABI
import Testing
import Verbs

@testable import Provider

/// What RESET and destruction leave behind: nothing.
@Suite struct CleaningTests {
    @Test func completionsOfAQueuePairThatIsResetAreRemoved() throws {
        let fixture = try ProviderFixture(completions: 16)
        let other = try ProviderFixture.makeQueuePair(fixture.context, fixture.completionQueue)
        let driver = fixture.driver
        // Moves the ring's start, so that it wraps.
        fixture.postSends(11)
        driver.completeSends(fixture.queuePair.pointee.number)
        #expect(fixture.poll().count == 11)
        for round: UInt64 in 0..<5 {
            fixture.postSends(1, first: 100 + round)
            driver.completeSends(fixture.queuePair.pointee.number)
            ProviderFixture.postSends(other, 1, first: 200 + round)
            driver.completeSends(other.pointee.number)
        }
        fixture.postSends(3)
        try ProviderFixture.change(fixture.context, fixture.queuePair, to: .reset)
        #expect(fixture.poll().map(\.identifier) == [200, 201, 202, 203, 204])
        #expect(fixture.queuePair.pointee.send.tail.relaxed() == fixture.queuePair.pointee.send.freed.relaxed())
        // The ring goes on.
        for round in 0..<40 {
            ProviderFixture.postSends(other, 1, first: UInt64(round))
            driver.completeSends(other.pointee.number)
            #expect(fixture.poll().map(\.identifier) == [UInt64(round)])
        }
    }

    @Test func aDestroyedQueuePairIsGone() throws {
        let fixture = try ProviderFixture()
        let driver = fixture.driver
        let slot = fixture.queuePair.pointee.slot
        let number = fixture.queuePair.pointee.number
        fixture.postSends(4)
        driver.completeSends(number)
        #expect(throws: Errno.busy) { try fixture.context.destroyCompletionQueue(fixture.completionQueue) }
        try fixture.context.destroyQueuePair(fixture.queuePair)
        #expect(driver.queuePairs[number] == nil)
        #expect(fixture.poll() == [])
        #expect(fixture.context.queuePair(slot: slot, number: number) == nil)
        let next = try ProviderFixture.makeQueuePair(fixture.context, fixture.completionQueue)
        #expect(next.pointee.slot == slot)
        #expect(fixture.context.queuePair(slot: slot, number: next.pointee.number) == next)
        // A late completion of the one before is nobody's.
        driver.complete(fixture.completionQueue.pointee.handle, number, identifier: 1, index: 0, .send)
        #expect(fixture.poll() == [])
        try fixture.context.destroyQueuePair(next)
        try fixture.context.destroyCompletionQueue(fixture.completionQueue)
    }

    @Test func aFailedCommandLeavesNothing() throws {
        let fixture = try ProviderFixture()
        let slots = fixture.context.queuePairSlots
        for (opcode, error) in [(VRDMA_OP_CREATE_QP, Errno.outOfMemory), (VRDMA_OP_CREATE_QP, .invalidArgument)] {
            fixture.driver.failures[opcode.rawValue] = error
            #expect(throws: error) {
                try ProviderFixture.makeQueuePair(fixture.context, fixture.completionQueue)
            }
        }
        fixture.driver.failures[VRDMA_OP_CREATE_CQ.rawValue] = .outOfMemory
        #expect(throws: Errno.outOfMemory) { try fixture.context.createCompletionQueue(entries: 10) }
        let next = try ProviderFixture.makeQueuePair(fixture.context, fixture.completionQueue)
        #expect(next.pointee.slot == slots.bound)
        fixture.driver.failures[VRDMA_OP_MODIFY_QP.rawValue] = .invalidArgument
        #expect(throws: Errno.invalidArgument) {
            try ProviderFixture.change(fixture.context, next, to: .error)
        }
        #expect(next.pointee.state == QueuePairState.readyToSend.rawValue)
    }

    @Test func limitsOfTheDeviceAreInvalidArguments() throws {
        let fixture = try ProviderFixture()
        let context = fixture.context
        #expect(throws: Errno.invalidArgument) { try context.createCompletionQueue(entries: 0) }
        #expect(throws: Errno.invalidArgument) { try context.createCompletionQueue(entries: .max) }
        let wrong: [QueuePairCapabilities] = [
            .init(maxSendRequests: .max, maxReceiveRequests: 1),
            .init(maxSendRequests: 1, maxReceiveRequests: 1 << 16),
            .init(maxSendRequests: 1, maxReceiveRequests: 1, maxSendElements: .max),
            .init(maxSendRequests: 1, maxReceiveRequests: 1, maxReceiveElements: 33),
            .init(maxSendRequests: 1, maxReceiveRequests: 1, maxInlineBytes: .max),
        ]
        for capabilities in wrong {
            #expect(throws: Errno.invalidArgument) {
                try context.createQueuePair(
                    capabilities, protectionDomain: 1, sendCompletionQueue: fixture.completionQueue,
                    receiveCompletionQueue: fixture.completionQueue, signalAll: true)
            }
        }
    }

    @Test(arguments: [(1, 1), (2, 2), (3, 4), (16, 16), (17, 32), (1 << 20, 1 << 20), (UInt32.max, 1 << 31)])
    func entryCountsArePowersOfTwo(wanted: UInt32, given: UInt32) {
        #expect(QueueShape.powerOfTwo(wanted) == given)
    }
}

import CVRDMAABI
import Glibc
import LinuxIO
import Testing
import Verbs

@testable import Provider

/// Posting and polling against an endpoint that the test plays.
@Suite struct PostingTests {
    @Test func requestsArriveAsTheyWerePosted() throws {
        let fixture = try ProviderFixture()
        let number = fixture.queuePair.pointee.number
        fixture.queuePair.beginSend()
        let place = try #require(fixture.queuePair.reserveSend())
        var wqe = vrdma_send_wqe()
        wqe.wr_id = 0x1234_5678_9abc_def0
        wqe.opcode = WorkRequestOpcode.rdmaRead.rawValue
        wqe.sge_count = 2
        wqe.remote_address = 77
        place.storeBytes(of: wqe, as: vrdma_send_wqe.self)
        let elements = place + MemoryLayout<vrdma_send_wqe>.size
        elements.storeBytes(of: vrdma_sge(address: 1, length: 2, lkey: 3), as: vrdma_sge.self)
        (elements + 16).storeBytes(of: vrdma_sge(address: 4, length: 5, lkey: 6), as: vrdma_sge.self)
        #expect(fixture.driver.takeSend(number) == nil)
        fixture.queuePair.endSend(1)
        let queue = try #require(fixture.driver.queuePairs[number]).send
        #expect(queue.sendElement(0, 1).lkey == 6)
        let taken = try #require(fixture.driver.takeSend(number))
        #expect(taken.wqe.wr_id == wqe.wr_id && taken.wqe.sge_count == 2 && taken.wqe.remote_address == 77)
        #expect(fixture.driver.takeSend(number) == nil)
    }

    @Test func aFullQueueComesFreeWithPolledCompletionsOnly() throws {
        let fixture = try ProviderFixture(sends: 10, receives: 5)
        #expect(fixture.queuePair.pointee.capabilities.maxSendRequests == 16)
        #expect(fixture.queuePair.pointee.capabilities.maxReceiveRequests == 8)
        let number = fixture.queuePair.pointee.number
        #expect(fixture.postSends(20) == 16)
        #expect(fixture.postSends(1) == 0)
        #expect(fixture.driver.completeSends(number) == 16)
        #expect(fixture.postSends(1) == 0)
        #expect(fixture.poll(3).map(\.identifier) == [0, 1, 2])
        #expect(fixture.postSends(5, first: 16) == 3)
        #expect(fixture.postReceives(9) == 8)
        #expect(fixture.driver.completeReceives(number) == 8)
        #expect(fixture.poll().count == 13 + 8)
        #expect(fixture.postReceives(9) == 8)
    }

    @Test func anUnsignalledRequestComesFreeWithALaterOne() throws {
        let fixture = try ProviderFixture(sends: 16, signalAll: false)
        let number = fixture.queuePair.pointee.number
        for round in 0..<20 {
            #expect(fixture.postSends(16, first: UInt64(round * 16)) == 16)
            #expect(fixture.driver.completeSends(number, everyNth: 8) == 16)
            #expect(fixture.poll().map(\.identifier) == [UInt64(round * 16 + 7), UInt64(round * 16 + 15)])
        }
    }

    @Test func indicesWrapAround() throws {
        let fixture = try ProviderFixture(sends: 4, completions: 4)
        let number = fixture.queuePair.pointee.number
        let start = UInt32.max - 5
        // As after four thousand million requests.
        fixture.queuePair.pointee.send.tail.release(start)
        fixture.queuePair.pointee.send.freed.release(start)
        let driver = fixture.driver
        driver.queuePairs[number]?.send.tail.release(start)
        driver.queuePairs[number]?.send.head.release(start)
        fixture.completionQueue.pointee.head.release(start)
        let handle = fixture.completionQueue.pointee.handle
        driver.completionQueues[handle]?.ring.tail.release(start)
        driver.completionQueues[handle]?.ring.head.release(start)
        for round in 0..<10 {
            #expect(fixture.postSends(9, first: UInt64(round * 4)) == 4)
            #expect(driver.completeSends(number) == 4)
            #expect(fixture.poll().map(\.identifier) == (0..<4).map { UInt64(round * 4 + $0) })
        }
    }

    @Test func theDoorbellRingsOnlyWhenWanted() throws {
        let fixture = try ProviderFixture()
        let driver = fixture.driver
        let slot = fixture.queuePair.pointee.slot
        let tree = try #require(driver.doorbells)
        let send = try #require(driver.queuePairs[fixture.queuePair.pointee.number]).send
        func rung() -> [UInt32] {
            var queues: [UInt32] = []
            _ = tree.take(limit: 100) { queues.append($0) }
            return queues
        }
        tree.kickWanted.storeRelaxed(0)
        send.doorbellWanted.storeRelaxed(0)
        fixture.postSends(1)
        #expect(rung() == [])
        send.doorbellWanted.storeRelaxed(1)
        fixture.postSends(1)
        #expect(rung() == [2 * slot])
        #expect(try kicks(driver) == 0)
        driver.queuePairs[fixture.queuePair.pointee.number]?.receive?.doorbellWanted.storeRelaxed(1)
        tree.kickWanted.storeRelaxed(1)
        fixture.postReceives(1)
        #expect(rung() == [2 * slot + 1])
        #expect(try kicks(driver) == 1)
        #expect(tree.kickWanted.relaxed() == 0)
    }

    private func kicks(_ driver: FakeGuestDriver) throws -> UInt64 {
        var count: UInt64 = 0
        let kick = try #require(driver.kick)
        _ = read(kick.rawValue, &count, 8)
        return count
    }

    @Test func aQueueWithoutReceivesTakesNone() throws {
        let fixture = try ProviderFixture(receives: 0)
        #expect(fixture.postReceives(1) == 0)
        #expect(fixture.queuePair.pointee.capabilities.maxReceiveRequests == 0)
        try ProviderFixture.change(fixture.context, fixture.queuePair, to: .reset)
    }

    @Test func severalThreadsPostAndPoll() throws {
        let fixture = try ProviderFixture(sends: 64, completions: 64)
        let number = fixture.queuePair.pointee.number
        let total = 40_000
        let state = UnsafeMutablePointer<(posted: Int, polled: Int)>.allocate(capacity: 1)
        state.initialize(to: (0, 0))
        let lock = PosixMutex()
        let threads = (0..<2).map { _ in
            Repeater {
                let wanted = lock.withLock { state.pointee.posted < total }
                let posted = wanted ? fixture.postSends(5) : 0
                lock.withLock { state.pointee.posted += posted }
                let polled = fixture.poll(7).count
                lock.withLock { state.pointee.polled += polled }
            }
        }
        var taken = 0
        // The completion queue has room for exactly what can be outstanding.
        while fixture.driver.overruns == 0,
            lock.withLock({ state.pointee.posted < total || state.pointee.polled < state.pointee.posted })
        {
            let count = fixture.driver.completeSends(number)
            taken += count
            if count == 0 { sched_yield() }
        }
        for thread in threads { thread.stop() }
        #expect(fixture.driver.overruns == 0)
        #expect(taken == state.pointee.posted)
        #expect(state.pointee.polled == state.pointee.posted)
        state.deallocate()
    }
}

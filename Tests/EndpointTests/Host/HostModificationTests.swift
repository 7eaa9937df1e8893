import CVRDMAABI
import Glibc
import HostSimulation
import Testing
import Verbs

@testable import Endpoint

/// A change that names a peer takes as long as the kernel needs to find that: its answer comes later, and everything may
/// happen before.
struct HostModificationTests {
    private func slowPair() throws -> HostPair {
        let pair = try HostPair(isConnected: false)
        try pair.b.queuePair.connect(pair.b.connection(to: pair.a))
        try pair.a.queuePair.modify(pair.a.connection(to: pair.b).initialize)
        pair.adapter.behaviour.modificationSteps = 5...5
        return pair
    }

    private func begin(_ pair: HostPair, _ attributes: vrdma_qp_attributes? = nil) -> vrdma_message? {
        var message = vrdma_message(
            opcode: VRDMA_OP_MODIFY_QP.rawValue, sequence: 30, context: pair.a.context.handle)
        message.setPayload(
            vrdma_modify_qp_command(
                qp_number: pair.a.queuePair.number, reserved: 0,
                attributes: attributes ?? pair.a.connection(to: pair.b).readyToReceive))
        return pair.a.guest.begin(message)
    }

    private func replies(_ pair: HostPair) -> [UInt32] {
        pair.settle()
        return pair.endpoints[0].takeReplies(of: pair.a.guest.identifier).map(\.status)
    }

    @Test func answerComesLater() throws {
        let pair = try slowPair()
        #expect(begin(pair) == nil)
        pair.check()
        #expect(try pair.a.queuePair.state() != .readyToReceive)
        #expect(begin(pair)?.status == UInt32(EBUSY))
        #expect(throws: Errno.busy) { try pair.a.queuePair.modify(.reset) }
        #expect(replies(pair) == [0])
        try pair.a.queuePair.modify(pair.a.connection(to: pair.b).readyToSend)
        #expect(pair.run(.write(to: pair.b.buffer)).map(\.status) == [.success])
        pair.end()
    }

    /// The peer sends as soon as the device accepts that, which is before anybody here knows.
    @Test(arguments: [true, false]) func messageBeforeTheAnswer(isError: Bool) throws {
        let pair = try slowPair()
        for identifier in 1...3 {
            pair.a.queuePair.postReceive(UInt64(identifier), pair.a.buffer.element(0, isError ? 1 : 64))
        }
        #expect(begin(pair) == nil)
        for _ in 0..<10 { pair.network.step() }
        pair.b.queuePair.post(.send(pair.b.buffer.element(0, 16)), .send())
        for _ in 0..<10 {
            pair.endpoints[1].poll()
            _ = pair.endpoints[0].device.poll(now: 1)
        }
        let early = pair.a.receiveQueue.drain()
        #expect(early.map(\.identifier) == (isError ? [1, 2, 3] : [1, 2]))
        #expect(early.first?.status == (isError ? .localLengthError : .success))
        #expect(replies(pair) == [isError ? UInt32(EINVAL) : 0])
        #expect(try pair.a.queuePair.state() == (isError ? .error : .readyToReceive))
        #expect(pair.a.receiveQueue.drain().isEmpty)
        pair.end()
    }

    @Test func deviceFindsNoPeer() throws {
        let pair = try slowPair()
        pair.adapter.behaviour.failNextModify = .timedOut
        #expect(begin(pair) == nil)
        #expect(replies(pair) == [UInt32(ETIMEDOUT)])
        #expect(try pair.a.queuePair.state() == .initialized)
        #expect(begin(pair) == nil)
        #expect(replies(pair) == [0])
        pair.end()
    }

    /// The queue pair, its context or its guest goes away meanwhile: who is still there has an answer.
    @Test(arguments: 0..<4) func goneMeanwhile(what: Int) throws {
        let pair = try slowPair()
        #expect(begin(pair) == nil)
        switch what {
        case 0: try pair.a.queuePair.destroy()
        case 1: try pair.a.context.close()
        case 2: pair.a.guest.remove()
        default: pair.adapter.lose()
        }
        Invariants.check(pair.endpoints[0])
        #expect(replies(pair) == (what == 2 ? [] : [UInt32(what == 3 ? ENODEV : EINVAL)]))
        if what == 3 {
            #expect(pair.a.context.takeAsyncEvents().map(\.type) == [.portError])
            #expect(try pair.a.queuePair.state() == .initialized)
        }
        pair.end()
    }

    /// More changes than a guest may have under way wait; each is answered, whatever becomes of its queue pair.
    @Test(arguments: 0..<4) func manyChanges(what: Int) throws {
        var limits = DeviceLimits()
        limits.changesPerGuest = 2
        let pair = try HostPair(limits: limits, isConnected: false)
        let queuePairs = try (0..<8).map { _ in
            try pair.a.context.createQueuePair(
                .init(sendElements: 1, receiveElements: 1, inlineBytes: 0), protectionDomain: pair.a.protectionDomain,
                sendQueue: pair.a.sendQueue, receiveQueue: pair.a.receiveQueue)
        }
        pair.adapter.behaviour.modificationSteps = 2...2
        for (position, queuePair) in queuePairs.enumerated() {
            try queuePair.modify(pair.a.connection(to: pair.b).initialize)
            var message = vrdma_message(
                opcode: VRDMA_OP_MODIFY_QP.rawValue, sequence: UInt32(position), context: pair.a.context.handle)
            message.setPayload(
                vrdma_modify_qp_command(
                    qp_number: queuePair.number, reserved: 0,
                    attributes: pair.a.connection(to: pair.b).readyToReceive))
            #expect(pair.a.guest.begin(message) == nil)
        }
        pair.check()
        switch what {
        case 0: for queuePair in queuePairs.dropFirst(4) { try queuePair.destroy() }
        case 1: try pair.a.context.close()
        case 2:
            pair.adapter.lose()
            pair.adapter.restore()
        default: break
        }
        pair.settle()
        let found = pair.endpoints[0].takeReplies(of: pair.a.guest.identifier)
        #expect(Set(found.map(\.sequence)) == Set(0..<8))
        #expect(found.count == 8)
        #expect(found.count { $0.status == 0 } == [4, 0, 0, 8][what])
        #expect(pair.endpoints[0].device.guest(pair.a.guest.identifier)?.beginningChanges == 0)
        pair.end()
    }

    /// Its completion queue runs over meanwhile: what it holds is flushed once, and it is not connected.
    @Test func brokenMeanwhile() throws {
        let pair = try slowPair()
        for identifier in 1...3 { pair.a.queuePair.postReceive(UInt64(identifier)) }
        #expect(begin(pair) == nil)
        pair.endpoints[0].device.overrun(pair.a.sendQueue.handle)
        #expect(replies(pair) == [UInt32(EINVAL)])
        #expect(pair.a.receiveQueue.drain().map(\.identifier) == [1, 2, 3])
        #expect(try pair.a.queuePair.state() == .error)
        pair.end()
    }
}

import CVRDMAABI
import Glibc
import SharedMemory
import Testing
import Verbs

@testable import GuestDriver

@Suite struct EndpointMessageTests {
    @Test func eventsFindTheirContext() throws {
        let router = RouterUnderTest()
        try router.open(5, for: alice)
        try router.open(6, for: bob)
        var event = vrdma_message(opcode: VRDMA_OP_ASYNC_EVENT.rawValue, context: 6)
        event.setPayload(vrdma_async_event(event_type: 1, element: 2, slot: 3, reserved: 0))
        guard case .deliver(let delivered, [bob]) = router.complete(event) else {
            Issue.record("not delivered to its application alone")
            return
        }
        #expect(delivered.element == 2)
        event.context = 0
        guard case .deliver(_, [alice, bob]) = router.complete(event) else {
            Issue.record("an event of the device concerns everybody")
            return
        }
        event.context = 99
        guard case .ignore = router.complete(event) else {
            Issue.record("delivered to nobody's context")
            return
        }
        #expect(router.router.ignoredCount == 1)
    }

    @Test func theEndpointIsHeldToTheProtocol() throws {
        func isViolation(_ router: RouterUnderTest, _ message: vrdma_message) -> Bool {
            var copy = router.router
            if case .violation = copy.complete(message, nowNanoseconds: 0) { return true }
            return false
        }
        let router = RouterUnderTest()
        try router.open(5, for: alice)
        let open = try #require(router.forward(command(VRDMA_OP_OPEN_CONTEXT), from: bob, descriptors: 3))
        var unknown = open.reply()
        unknown.sequence &+= 1
        #expect(isViolation(router, unknown))
        var wrongOpcode = open.reply()
        wrongOpcode.opcode = UInt16(VRDMA_OP_ALLOC_PD.rawValue)
        #expect(isViolation(router, wrongOpcode))
        #expect(isViolation(router, open.reply()), "a reply without a context")
        #expect(isViolation(router, opened(0, open)))
        #expect(isViolation(router, opened(5, open)), "a context twice")
        var long = opened(6, open)
        long.payload_bytes = 233
        #expect(isViolation(router, long))
        #expect(isViolation(router, vrdma_message(opcode: VRDMA_OP_ASYNC_EVENT.rawValue, context: 5)))
        #expect(!isViolation(router, opened(6, open)))
    }

    @Test func withoutTheEndpointEverythingFails() throws {
        let router = RouterUnderTest()
        try router.open(5, for: alice)
        _ = try #require(router.forward(command(VRDMA_OP_ALLOC_PD, sequence: 77), from: alice))
        let loss = router.router.loseEndpoint()
        #expect(loss.applications == [alice, bob])
        #expect(loss.answers.map(\.application) == [alice])
        #expect(loss.answers.first?.message.sequence == 77)
        #expect(loss.answers.first?.message.status == UInt32(EIO))
        #expect(!router.router.isCommandPending)
        #expect(router.error(command(VRDMA_OP_ALLOC_PD), from: alice) == EIO)
        #expect(router.error(command(VRDMA_OP_OPEN_CONTEXT), from: bob, descriptors: 3) == EIO)
        #expect(router.disconnect(alice) == nil)
        let carol = ApplicationIdentifier(rawValue: 3)
        router.router.connect(carol, processIdentifier: 1)
        try router.open(5, for: carol)
    }

    @Test func aCommandWithoutAnAnswerTimesOut() throws {
        let router = RouterUnderTest()
        router.router.limits.commandTimeoutNanoseconds = 100
        try router.open(5, for: alice)
        #expect(router.nextDeadline() == nil)
        let slow = try #require(router.forward(command(VRDMA_OP_ALLOC_PD, sequence: 3), from: alice, now: 1000))
        #expect(router.nextDeadline() == 1100)
        #expect(router.expire(at: 1099) == nil)
        let expired = try #require(router.expire(at: 1100))
        #expect(expired.application == alice)
        #expect(expired.message.sequence == 3)
        #expect(expired.message.status == UInt32(ETIMEDOUT))
        #expect(router.expire(at: 5000) == nil)
        #expect(router.router.mayReceive(from: alice))
        let next = try #require(router.forward(command(VRDMA_OP_ALLOC_PD), from: alice, now: 2000))
        guard case .ignore = router.complete(slow.reply()) else {
            Issue.record("the late reply was given to a later command")
            return
        }
        #expect(router.answer(to: next.reply())?.0 == alice)
    }

    @Test func aContextThatOpensTooLateIsClosed() throws {
        let router = RouterUnderTest()
        router.router.limits.commandTimeoutNanoseconds = 100
        let open = try #require(router.forward(command(VRDMA_OP_OPEN_CONTEXT), from: alice, descriptors: 3))
        #expect(router.expire(at: 100)?.application == alice)
        guard case .forward(let close) = router.complete(opened(8, open)) else {
            Issue.record("the context stays open")
            return
        }
        #expect(close.context == 8)
        try router.open(9, for: alice)
    }

    @Test func aContextIsNotClosedTwice() throws {
        let router = RouterUnderTest()
        router.router.limits.commandTimeoutNanoseconds = 100
        try router.open(5, for: alice)
        _ = try #require(router.forward(command(VRDMA_OP_CLOSE_CONTEXT), from: alice))
        #expect(router.expire(at: 100)?.application == alice)
        try router.open(5, for: bob)
        #expect(router.disconnect(alice) == nil)
    }

    private func registered(_ key: UInt32, _ command: vrdma_message) -> vrdma_message {
        var reply = command.reply()
        reply.setPayload(vrdma_reg_mr_reply(lkey: key, rkey: key))
        return reply
    }

    @Test(arguments: [VRDMA_OP_REG_MR.rawValue, VRDMA_OP_DEREG_MR.rawValue])
    func registrationHasATimeOfItsOwn(opcode: UInt32) throws {
        let router = RouterUnderTest()
        router.router.limits.commandTimeoutNanoseconds = 100
        router.router.limits.registrationTimeoutNanoseconds = 5000
        try router.open(5, for: alice)
        try router.open(6, for: bob)
        _ = try #require(router.forward(vrdma_message(opcode: opcode, sequence: 3), from: alice, now: 1000))
        #expect(router.nextDeadline() == 6000)
        // What is forwarded later may be due earlier.
        _ = try #require(router.forward(command(VRDMA_OP_ALLOC_PD), from: bob, now: 2000))
        #expect(router.nextDeadline() == 2100)
        #expect(router.expire(at: 2100)?.application == bob)
        #expect(router.expire(at: 5999) == nil)
        let expired = try #require(router.expire(at: 6000))
        #expect(expired.application == alice && expired.message.status == UInt32(ETIMEDOUT))
        #expect(router.nextDeadline() == nil)
    }

    @Test func memoryThatIsRegisteredTooLateIsDeregistered() throws {
        let router = RouterUnderTest()
        router.router.limits.registrationTimeoutNanoseconds = 100
        try router.open(5, for: alice)
        let slow = try #require(router.forward(command(VRDMA_OP_REG_MR), from: alice))
        #expect(router.expire(at: 100)?.application == alice)
        guard case .forward(let deregister) = router.complete(registered(0x1234, slow)) else {
            Issue.record("the memory stays registered")
            return
        }
        #expect(deregister.opcode == UInt16(VRDMA_OP_DEREG_MR.rawValue) && deregister.context == 5)
        #expect(deregister.payload(as: vrdma_handle_command.self)?.handle == 0x1234)
        guard case .ignore = router.complete(deregister.reply()) else {
            Issue.record("the reply has no receiver")
            return
        }
        #expect(!router.router.isCommandPending)
        // One that failed left nothing.
        let failing = try #require(router.forward(command(VRDMA_OP_REG_MR), from: alice))
        #expect(router.expire(at: 200)?.application == alice)
        guard case .ignore = router.complete(failing.reply(status: UInt32(ENOMEM))) else {
            Issue.record("what was not registered was deregistered")
            return
        }
    }

    /// Its memory goes with the context, whose handle may belong to somebody else when the reply comes.
    @Test func anApplicationMayDieWithItsRegistrationUnderWay() throws {
        let router = RouterUnderTest()
        try router.open(5, for: alice)
        let slow = try #require(router.forward(command(VRDMA_OP_REG_MR), from: alice))
        let close = try #require(router.disconnect(alice))
        #expect(close.opcode == UInt16(VRDMA_OP_CLOSE_CONTEXT.rawValue) && close.context == 5)
        #expect(router.nextDeadline() == nil)
        guard case .ignore = router.complete(close.reply()) else {
            Issue.record("the reply has no receiver")
            return
        }
        try router.open(5, for: bob)
        guard case .ignore = router.complete(registered(0x1234, slow)) else {
            Issue.record("the memory of another application was deregistered")
            return
        }
        #expect(!router.router.isCommandPending)
        #expect(router.router.contextCount == 1)
    }
}

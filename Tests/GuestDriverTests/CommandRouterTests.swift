import CVRDMAABI
import Glibc
import SharedMemory
import Testing
import Verbs

@testable import GuestDriver

private let alice = ApplicationIdentifier(rawValue: 1)
private let bob = ApplicationIdentifier(rawValue: 2)

/// A command as an application sends it.
private func command(_ opcode: vrdma_opcode, sequence: UInt32 = 7) -> vrdma_message {
    vrdma_message(opcode: opcode.rawValue, sequence: sequence)
}

/// A router behind a reference, so that expectations may change it.
private final class RouterUnderTest {
    var router: CommandRouter

    init(firstSequence: UInt32 = 1) {
        router = CommandRouter(firstSequence: firstSequence)
        for application in [alice, bob] { router.connect(application, processIdentifier: 100) }
    }

    /// What is forwarded for a command; nil when it is answered at once.
    func forward(
        _ message: vrdma_message, from application: ApplicationIdentifier, descriptors: Int = 0, now: UInt64 = 0
    ) -> vrdma_message? {
        if case .forward(let command) = router.receive(
            message, from: application, descriptorCount: descriptors, nowNanoseconds: now)
        {
            return command
        }
        return nil
    }

    /// The error with which a command is answered at once; nil when it is forwarded.
    func error(
        _ message: vrdma_message, from application: ApplicationIdentifier, descriptors: Int = 0, lost: Bool = false
    ) -> Int32? {
        if case .answer(let reply) = router.receive(
            message, from: application, descriptorCount: descriptors, descriptorsWereLost: lost, nowNanoseconds: 0)
        {
            return Int32(reply.status)
        }
        return nil
    }

    func complete(_ message: vrdma_message) -> CompletionAction {
        router.complete(message, nowNanoseconds: 0)
    }

    /// The reply that an application gets for a message of the endpoint.
    func answer(to message: vrdma_message) -> (ApplicationIdentifier, vrdma_message)? {
        if case .answer(let application, let reply) = complete(message) { return (application, reply) }
        return nil
    }

    func disconnect(_ application: ApplicationIdentifier) -> vrdma_message? {
        router.disconnect(application, nowNanoseconds: 0)
    }

    func expire(at now: UInt64) -> (application: ApplicationIdentifier, message: vrdma_message)? {
        router.expire(nowNanoseconds: now)
    }

    func nextDeadline() -> UInt64? {
        router.nextDeadlineNanoseconds()
    }

    /// Opens a context as the endpoint would.
    func open(_ context: UInt32, for application: ApplicationIdentifier) throws {
        let forwarded = try #require(forward(command(VRDMA_OP_OPEN_CONTEXT), from: application, descriptors: 3))
        _ = try #require(answer(to: opened(context, forwarded)))
    }
}

/// The endpoint's reply to OPEN_CONTEXT.
private func opened(_ context: UInt32, _ command: vrdma_message) -> vrdma_message {
    var reply = command.reply()
    reply.setPayload(vrdma_open_context_reply(context: context, context_region: 1))
    return reply
}

@Suite struct CommandRouterTests {
    @Test func theFirstCommandOpensAContext() throws {
        let router = RouterUnderTest()
        for opcode in (0...VRDMA_OP_LAST.rawValue).map({ vrdma_opcode(rawValue: $0) }) {
            let count = CommandRule.descriptorCount(opcode: UInt16(opcode.rawValue)) ?? 0
            if opcode == VRDMA_OP_OPEN_CONTEXT { continue }
            #expect(router.error(command(opcode), from: alice, descriptors: count) != nil, "opcode \(opcode.rawValue)")
        }
        try router.open(5, for: alice)
        #expect(router.router.contextCount == 1)
        let forwarded = try #require(router.forward(command(VRDMA_OP_ALLOC_PD), from: alice))
        #expect(forwarded.context == 5)
    }

    @Test func aConnectionHasOneContext() throws {
        let router = RouterUnderTest()
        try router.open(5, for: alice)
        #expect(router.error(command(VRDMA_OP_OPEN_CONTEXT), from: alice, descriptors: 3) == EINVAL)
        let close = try #require(router.forward(command(VRDMA_OP_CLOSE_CONTEXT), from: alice))
        #expect(router.answer(to: close.reply())?.0 == alice)
        #expect(router.error(command(VRDMA_OP_ALLOC_PD), from: alice) == EINVAL)
        #expect(router.error(command(VRDMA_OP_OPEN_CONTEXT), from: alice, descriptors: 3) == EINVAL)
        #expect(router.disconnect(alice) == nil)
    }

    @Test func aContextThatWasNotClosedIsStillOpen() throws {
        let router = RouterUnderTest()
        try router.open(5, for: alice)
        let close = try #require(router.forward(command(VRDMA_OP_CLOSE_CONTEXT), from: alice))
        _ = router.answer(to: close.reply(status: UInt32(EBUSY)))
        #expect(router.disconnect(alice)?.context == 5)
    }

    @Test func theApplicationsSequenceIsRestored() throws {
        let router = RouterUnderTest()
        try router.open(5, for: alice)
        try router.open(6, for: bob)
        let first = try #require(router.forward(command(VRDMA_OP_ALLOC_PD, sequence: 9), from: alice))
        let second = try #require(router.forward(command(VRDMA_OP_ALLOC_PD, sequence: 9), from: bob))
        #expect(first.sequence != second.sequence)
        let answerOfBob = try #require(router.answer(to: second.reply()))
        #expect(answerOfBob.0 == bob)
        #expect(answerOfBob.1.sequence == 9)
        #expect(try #require(router.answer(to: first.reply())).0 == alice)
    }

    @Test func sequencesWrapAroundAndAreNotUsedTwice() throws {
        let router = RouterUnderTest(firstSequence: UInt32.max)
        let first = try #require(router.forward(command(VRDMA_OP_OPEN_CONTEXT), from: alice, descriptors: 3))
        let second = try #require(router.forward(command(VRDMA_OP_OPEN_CONTEXT), from: bob, descriptors: 3))
        #expect(first.sequence == UInt32.max)
        #expect(second.sequence == 0)
    }

    @Test func oneCommandAtATime() throws {
        let router = RouterUnderTest()
        try router.open(5, for: alice)
        let first = try #require(router.forward(command(VRDMA_OP_ALLOC_PD), from: alice))
        #expect(!router.router.mayReceive(from: alice))
        #expect(router.router.mayReceive(from: bob))
        #expect(router.error(command(VRDMA_OP_ALLOC_PD), from: alice) == EBUSY)
        _ = router.answer(to: first.reply())
        #expect(router.router.mayReceive(from: alice))
    }

    @Test func commandsUnderWayAreLimited() throws {
        let router = RouterUnderTest()
        router.router.limits.maximumPending = 1
        _ = try #require(router.forward(command(VRDMA_OP_OPEN_CONTEXT), from: alice, descriptors: 3))
        #expect(!router.router.mayReceive(from: bob))
    }

    @Test func descriptorsMustFitTheCommand() throws {
        let router = RouterUnderTest()
        #expect(router.error(command(VRDMA_OP_OPEN_CONTEXT), from: alice, descriptors: 2) == EINVAL)
        #expect(router.error(command(VRDMA_OP_OPEN_CONTEXT), from: alice, descriptors: 2, lost: true) == EMFILE)
        #expect(router.error(command(VRDMA_OP_OPEN_CONTEXT), from: alice, descriptors: 3, lost: true) == EINVAL)
        try router.open(5, for: alice)
        #expect(router.error(command(VRDMA_OP_ATTACH_REGION), from: alice, descriptors: 0) == EINVAL)
        #expect(router.error(command(VRDMA_OP_ALLOC_PD), from: alice, descriptors: 1) == EINVAL)
    }

    @Test func unknownAndOverlongCommandsAreRefused() throws {
        let router = RouterUnderTest()
        try router.open(5, for: alice)
        for opcode: UInt32 in [0, VRDMA_OP_LAST.rawValue + 1, 0x7fff, 0x8001, 0xffff] {
            #expect(router.error(vrdma_message(opcode: opcode), from: alice) == EOPNOTSUPP, "opcode \(opcode)")
        }
        var long = command(VRDMA_OP_ALLOC_PD)
        long.payload_bytes = 233
        #expect(router.error(long, from: alice) == EINVAL)
    }

    @Test func theKernelNamesTheProcess() throws {
        let router = RouterUnderTest()
        var open = command(VRDMA_OP_OPEN_CONTEXT)
        var payload = vrdma_open_context_command()
        payload.process_id = 1
        open.setPayload(payload)
        let forwarded = try #require(router.forward(open, from: alice, descriptors: 3))
        #expect(forwarded.payload(as: vrdma_open_context_command.self)?.process_id == 100)
    }

    @Test func whatTheApplicationWritesIntoTheHeaderIsReplaced() throws {
        let router = RouterUnderTest()
        try router.open(5, for: alice)
        var message = command(VRDMA_OP_ALLOC_PD)
        (message.context, message.status, message.descriptor_token) = (6, 77, 78)
        let forwarded = try #require(router.forward(message, from: alice))
        #expect(forwarded.context == 5)
        #expect(forwarded.status == 0)
        #expect(forwarded.descriptor_token == 0)
    }

    @Test func anApplicationThatIsGoneHasItsContextClosed() throws {
        let router = RouterUnderTest()
        try router.open(5, for: alice)
        let close = try #require(router.disconnect(alice))
        #expect(close.opcode == UInt16(VRDMA_OP_CLOSE_CONTEXT.rawValue))
        #expect(close.context == 5)
        #expect(router.router.isCommandPending)
        #expect(!router.router.isAnyoneWaiting)
        guard case .ignore = router.complete(close.reply()) else {
            Issue.record("the reply has no receiver")
            return
        }
        #expect(!router.router.isCommandPending)
    }

    @Test func aContextOpenedForNobodyIsClosed() throws {
        let router = RouterUnderTest()
        let open = try #require(router.forward(command(VRDMA_OP_OPEN_CONTEXT), from: alice, descriptors: 3))
        #expect(router.disconnect(alice) == nil)
        guard case .forward(let close) = router.complete(opened(8, open)) else {
            Issue.record("the context stays open")
            return
        }
        #expect(close.context == 8)
        #expect(close.opcode == UInt16(VRDMA_OP_CLOSE_CONTEXT.rawValue))
    }
}

extension CommandRouterTests {
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
}

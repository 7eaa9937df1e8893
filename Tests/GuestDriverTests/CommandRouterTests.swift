import CVRDMAABI
import Glibc
import SharedMemory
import Testing
import Verbs

@testable import GuestDriver

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

    @Test func armingACompletionQueueIsForwarded() throws {
        let router = RouterUnderTest()
        try router.open(5, for: alice)
        var arm = command(VRDMA_OP_ARM_CQ)
        arm.setPayload(vrdma_handle_command(handle: 77, index: 1))
        #expect(router.error(arm, from: alice, descriptors: 1) == EINVAL)
        let forwarded = try #require(router.forward(arm, from: alice))
        #expect(forwarded.context == 5)
        #expect(forwarded.payload(as: vrdma_handle_command.self)?.handle == 77)
        #expect(router.answer(to: forwarded.reply(status: UInt32(ENODEV)))?.1.status == UInt32(ENODEV))
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

import CVRDMAABI
import Glibc
import SharedMemory
import Testing
import Verbs

@testable import GuestDriver

let alice = ApplicationIdentifier(rawValue: 1)
let bob = ApplicationIdentifier(rawValue: 2)

/// A command as an application sends it.
func command(_ opcode: vrdma_opcode, sequence: UInt32 = 7) -> vrdma_message {
    vrdma_message(opcode: opcode.rawValue, sequence: sequence)
}

/// A router behind a reference, so that expectations may change it.
final class RouterUnderTest {
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
func opened(_ context: UInt32, _ command: vrdma_message) -> vrdma_message {
    var reply = command.reply()
    reply.setPayload(vrdma_open_context_reply(context: context, context_region: 1))
    return reply
}

import CVRDMAABI
import SharedMemory
import Verbs

extension CommandRouter {
    /// The endpoint sent a reply or an event.
    package mutating func complete(_ message: vrdma_message, nowNanoseconds: UInt64) -> CompletionAction {
        if message.opcode == UInt16(truncatingIfNeeded: VRDMA_OP_ASYNC_EVENT.rawValue) { return route(event: message) }
        guard let command = pending.removeValue(forKey: message.sequence) else {
            return .violation("a reply to sequence \(message.sequence), which no command has")
        }
        guard command.opcode == message.opcode else {
            return .violation("a reply with opcode \(message.opcode) to a command with opcode \(command.opcode)")
        }
        guard message.payload_bytes <= VRDMA_MESSAGE_PAYLOAD_BYTES else {
            return .violation("a reply with \(message.payload_bytes) bytes of payload")
        }
        let opened: UInt32?
        switch openedContext(message) {
        case .context(let context): opened = context
        case .none: opened = nil
        case .violation(let problem): return .violation(problem)
        }
        guard let identifier = command.application, var application = applications[identifier] else {
            ignoredCount &+= 1
            return undo(command, message, opened: opened, nowNanoseconds: nowNanoseconds)
        }
        application.pendingSequence = nil
        switch application.context {
        case .opening:
            application.context = opened.map { .open($0) } ?? .none
            if let opened { applicationsByContext[opened] = identifier }
        case .closing(let context):
            application.context = message.status == 0 ? .closed : .open(context)
            if message.status == 0 { applicationsByContext[context] = nil }
        case .none, .open, .closed, .lost: break
        }
        applications[identifier] = application
        var reply = message
        reply.sequence = command.applicationSequence
        reply.descriptor_token = 0
        return .answer(identifier, reply)
    }

    /// Takes back what a command made whose application does not wait any more: its context, or the memory that it
    /// registered. What else there is goes with the context.
    private mutating func undo(
        _ command: Pending, _ reply: vrdma_message, opened: UInt32?, nowNanoseconds: UInt64
    ) -> CompletionAction {
        if let opened { return .forward(closeCommand(context: opened, nowNanoseconds: nowNanoseconds)) }
        // The handle of a context that was closed may have been given to another one.
        guard command.opcode == UInt16(VRDMA_OP_REG_MR.rawValue), reply.status == 0, let origin = command.origin,
            applicationsByContext[command.context] == origin, let keys = reply.payload(as: vrdma_reg_mr_reply.self)
        else { return .ignore }
        return .forward(
            deregisterCommand(context: command.context, key: keys.lkey, nowNanoseconds: nowNanoseconds))
    }

    /// The endpoint, and with it every context, is gone.
    package mutating func loseEndpoint() -> EndpointLoss {
        var loss = EndpointLoss()
        loss.applications = applications.keys.sorted()
        for identifier in loss.applications {
            guard var application = applications[identifier] else { continue }
            if let command = application.pendingSequence.flatMap({ pending[$0] }) {
                var message = vrdma_message(opcode: UInt32(command.opcode), sequence: command.applicationSequence)
                message.status = UInt32(bitPattern: Errno.inputOutput.rawValue)
                loss.answers.append((identifier, message))
            }
            application.pendingSequence = nil
            application.context = .lost
            applications[identifier] = application
        }
        applicationsByContext.removeAll()
        pending.removeAll()
        deadlines.removeAll()
        registrationDeadlines.removeAll()
        return loss
    }

    /// When the next command has waited too long; nil when none waits.
    package mutating func nextDeadlineNanoseconds() -> UInt64? {
        let pending = pending
        let first = deadlines.earliest { Self.isWaiting(pending[$0], serial: $1) }
        let registration = registrationDeadlines.earliest { Self.isWaiting(pending[$0], serial: $1) }
        guard let first, let registration else { return first ?? registration }
        return min(first, registration)
    }

    /// A command that has waited too long, as the answer to its application; call until it returns nil. Its reply may
    /// still come; what it brings is taken back then.
    package mutating func expire(
        nowNanoseconds: UInt64
    ) -> (application: ApplicationIdentifier, message: vrdma_message)? {
        let snapshot = pending
        let isWaiting = { Self.isWaiting(snapshot[$0], serial: $1) }
        let expired =
            deadlines.popExpired(nowNanoseconds: nowNanoseconds, isPending: isWaiting)
            ?? registrationDeadlines.popExpired(nowNanoseconds: nowNanoseconds, isPending: isWaiting)
        guard let sequence = expired, let command = pending[sequence], let identifier = command.application else {
            return nil
        }
        pending[sequence]?.application = nil
        if var application = applications[identifier] {
            application.pendingSequence = nil
            switch application.context {
            case .opening: application.context = .none
            case .closing(let context):
                // Never closed a second time: the endpoint may have given the handle to another context by then.
                application.context = .closed
                applicationsByContext[context] = nil
            case .none, .open, .closed, .lost: break
            }
            applications[identifier] = application
        }
        var message = vrdma_message(opcode: UInt32(command.opcode), sequence: command.applicationSequence)
        message.status = UInt32(bitPattern: Errno.timedOut.rawValue)
        return (identifier, message)
    }

    private static func isWaiting(_ command: Pending?, serial: UInt64) -> Bool {
        command?.serial == serial && command?.application != nil
    }

    private enum OpenedContext {
        case none
        case context(UInt32)
        case violation(String)
    }

    private func openedContext(_ message: vrdma_message) -> OpenedContext {
        guard message.opcode == UInt16(VRDMA_OP_OPEN_CONTEXT.rawValue), message.status == 0 else { return .none }
        guard let reply = message.payload(as: vrdma_open_context_reply.self), reply.context != 0 else {
            return .violation("a reply to OPEN_CONTEXT without a context")
        }
        guard applicationsByContext[reply.context] == nil else {
            return .violation("context \(reply.context) was opened twice")
        }
        return .context(reply.context)
    }

    private mutating func route(event message: vrdma_message) -> CompletionAction {
        guard let event = message.payload(as: vrdma_async_event.self) else {
            return .violation("an event with \(message.payload_bytes) bytes of payload")
        }
        // Context 0 means the device, which all contexts share.
        if message.context == 0 { return .deliver(event, applicationsByContext.values.sorted()) }
        guard let identifier = applicationsByContext[message.context] else {
            ignoredCount &+= 1
            return .ignore
        }
        return .deliver(event, [identifier])
    }
}

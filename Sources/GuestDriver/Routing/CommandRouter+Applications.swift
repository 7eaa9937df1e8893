import CVRDMAABI
import SharedMemory
import Verbs

extension CommandRouter {
    /// An application sent a command.
    ///
    /// - Parameters:
    ///   - descriptorCount: the descriptors that arrived with it.
    ///   - descriptorsWereLost: some did not arrive.
    package mutating func receive(
        _ message: vrdma_message, from identifier: ApplicationIdentifier, descriptorCount: Int,
        descriptorsWereLost: Bool = false, nowNanoseconds: UInt64
    ) -> CommandAction {
        guard var application = applications[identifier] else {
            return .answer(refusal(of: message, .inputOutput))
        }
        if application.context == .lost { return .answer(refusal(of: message, .inputOutput)) }
        guard application.pendingSequence == nil else { return .answer(refusal(of: message, .busy)) }
        if let mistake = CommandRule.mistake(
            message, descriptorCount: descriptorCount, descriptorsWereLost: descriptorsWereLost)
        {
            return .answer(refusal(of: message, mistake))
        }
        guard let context = application.context.accept(opcode: message.opcode) else {
            return .answer(refusal(of: message, .invalidArgument))
        }
        var command = message
        command.context = context
        command.status = 0
        command.descriptor_token = 0
        if message.opcode == UInt16(VRDMA_OP_OPEN_CONTEXT.rawValue) {
            nameProcess(in: &command, application.processIdentifier)
        }
        let sequence = register(message, of: identifier, context: context, nowNanoseconds: nowNanoseconds)
        command.sequence = sequence
        application.pendingSequence = sequence
        applications[identifier] = application
        return .forward(command)
    }

    /// An application's connection ended.
    ///
    /// - Returns: the command that closes its context, if it has one.
    package mutating func disconnect(
        _ identifier: ApplicationIdentifier, nowNanoseconds: UInt64
    ) -> vrdma_message? {
        guard let application = applications.removeValue(forKey: identifier) else { return nil }
        if let sequence = application.pendingSequence { pending[sequence]?.application = nil }
        switch application.context {
        case .open(let context):
            applicationsByContext[context] = nil
            return closeCommand(context: context, nowNanoseconds: nowNanoseconds)
        case .closing(let context):
            applicationsByContext[context] = nil
            return nil
        case .none, .opening, .closed, .lost:
            // The reply to an OPEN_CONTEXT under way brings a context that nobody has; it is closed then.
            return nil
        }
    }

    private func refusal(of message: vrdma_message, _ error: Errno) -> vrdma_message {
        message.reply(status: UInt32(bitPattern: error.rawValue))
    }

    /// Replaces what the application says of its process by what the kernel says.
    private func nameProcess(in command: inout vrdma_message, _ processIdentifier: Int32) {
        guard processIdentifier > 0, var payload = command.payload(as: vrdma_open_context_command.self) else { return }
        payload.process_id = UInt32(processIdentifier)
        command.setPayload(payload)
    }
}

extension CommandRouter.ContextState {
    /// The context for a command of this opcode (0 for OPEN_CONTEXT), with the state that follows; nil when the command
    /// is out of order.
    fileprivate mutating func accept(opcode: UInt16) -> UInt32? {
        switch (self, vrdma_opcode(rawValue: UInt32(opcode))) {
        case (.none, VRDMA_OP_OPEN_CONTEXT):
            self = .opening
            return 0
        case (.open, VRDMA_OP_OPEN_CONTEXT):
            return nil
        case (.open(let context), VRDMA_OP_CLOSE_CONTEXT):
            self = .closing(context)
            return context
        case (.open(let context), _):
            return context
        default:
            return nil
        }
    }
}

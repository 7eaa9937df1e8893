import CVRDMAABI
import LinuxIO
import SharedMemory
import Verbs

/// The commands of a guest: decoded, checked, carried out, answered. Nothing that a guest sends can do more than fail.
extension Device {
    /// Carries out one command that is answered at once. Where `perform` has no reply yet, this says `EAGAIN`.
    package func execute(
        _ command: vrdma_message, guest identifier: UInt32, descriptors: [FileDescriptor] = []
    ) -> vrdma_message {
        perform(command, guest: identifier, descriptors: descriptors)
            ?? command.reply(status: UInt32(Errno.wouldBlock.rawValue))
    }

    /// Carries out one command and returns its reply; nil when the reply comes later, as `DeviceOutput.reply`.
    ///
    /// - Parameter descriptors: those that came with the command, in order.
    package func perform(
        _ command: vrdma_message, guest identifier: UInt32, descriptors: [FileDescriptor] = []
    ) -> vrdma_message? {
        guard let guest = guests[identifier] else {
            return command.reply(status: UInt32(Errno.noSuchDevice.rawValue))
        }
        guest.counters.commands &+= 1
        do throws(Errno) {
            return try carryOut(command, guest: guest, descriptors: descriptors)
        } catch {
            guest.counters.commandErrors &+= 1
            return command.reply(status: UInt32(error.rawValue))
        }
    }

    private func carryOut(
        _ command: vrdma_message, guest: Guest, descriptors: [FileDescriptor]
    ) throws(Errno) -> vrdma_message? {
        let opcode = vrdma_opcode(UInt32(command.opcode))
        if opcode == VRDMA_OP_OPEN_CONTEXT {
            return try openContext(command, guest: guest, descriptors: descriptors)
        }
        guard guest.contexts.contains(command.context) else { throw .invalidArgument }
        switch opcode {
        case VRDMA_OP_CLOSE_CONTEXT:
            closeContext(command.context, of: guest)
            return command.reply()
        case VRDMA_OP_ATTACH_REGION: return try attachRegion(command, guest: guest, descriptors: descriptors)
        case VRDMA_OP_DETACH_REGION: return try detachRegion(command, guest: guest)
        case VRDMA_OP_QUERY_DEVICE: return queryDevice(command, guest: guest)
        case VRDMA_OP_QUERY_PORT: return try queryPort(command, guest: guest)
        case VRDMA_OP_QUERY_GID: return try queryGID(command, guest: guest)
        case VRDMA_OP_QUERY_PKEY: return try queryPKey(command)
        case VRDMA_OP_ALLOC_PD: return try allocateProtectionDomain(command, guest: guest)
        case VRDMA_OP_DEALLOC_PD: return try deallocateProtectionDomain(command, guest: guest)
        case VRDMA_OP_REG_MR: return try registerMemory(command, guest: guest)
        case VRDMA_OP_DEREG_MR: return try deregisterMemory(command, guest: guest)
        case VRDMA_OP_CREATE_COMP_CHANNEL:
            return try createChannel(command, guest: guest, descriptors: descriptors)
        case VRDMA_OP_DESTROY_COMP_CHANNEL: return try destroyChannel(command, guest: guest)
        case VRDMA_OP_CREATE_CQ: return try createCompletionQueue(command, guest: guest)
        case VRDMA_OP_ARM_CQ: return try armCompletionQueue(command, guest: guest)
        case VRDMA_OP_DESTROY_CQ: return try destroyCompletionQueue(command, guest: guest)
        case VRDMA_OP_CREATE_QP: return try createQueuePair(command, guest: guest)
        case VRDMA_OP_MODIFY_QP: return try modifyQueuePair(command, guest: guest)
        case VRDMA_OP_QUERY_QP: return try queryQueuePair(command, guest: guest)
        case VRDMA_OP_DESTROY_QP: return try destroyQueuePair(command, guest: guest)
        default: throw .notSupported
        }
    }

    /// A command's payload. Throws `EINVAL` when the command was cut short.
    func payload<Payload: BitwiseCopyable>(
        _ command: vrdma_message, as type: Payload.Type
    ) throws(Errno) -> Payload {
        guard let payload = command.payload(as: type) else { throw .invalidArgument }
        return payload
    }

    /// A reply with a payload.
    func reply<Payload: BitwiseCopyable>(_ command: vrdma_message, _ payload: Payload) -> vrdma_message {
        var reply = command.reply()
        reply.setPayload(payload)
        return reply
    }
}

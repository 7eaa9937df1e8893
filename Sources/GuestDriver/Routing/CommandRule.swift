import CVRDMAABI
import SharedMemory
import Verbs

/// What the ABI asks of a command by its opcode, checked before the endpoint sees it.
///
/// The endpoint checks everything again and more: it trusts no guest driver. The rules here keep one application's
/// mistake from costing its neighbours.
enum CommandRule {
    /// How many descriptors accompany a command; nil for an opcode that no application may send.
    static func descriptorCount(opcode: UInt16) -> Int? {
        switch vrdma_opcode(rawValue: UInt32(opcode)) {
        case VRDMA_OP_OPEN_CONTEXT: 3
        case VRDMA_OP_ATTACH_REGION, VRDMA_OP_CREATE_COMP_CHANNEL: 1
        case VRDMA_OP_CLOSE_CONTEXT, VRDMA_OP_DETACH_REGION, VRDMA_OP_QUERY_DEVICE, VRDMA_OP_QUERY_PORT,
            VRDMA_OP_QUERY_GID, VRDMA_OP_QUERY_PKEY, VRDMA_OP_ALLOC_PD, VRDMA_OP_DEALLOC_PD, VRDMA_OP_REG_MR,
            VRDMA_OP_DEREG_MR, VRDMA_OP_DESTROY_COMP_CHANNEL, VRDMA_OP_CREATE_CQ, VRDMA_OP_DESTROY_CQ,
            VRDMA_OP_CREATE_QP, VRDMA_OP_MODIFY_QP, VRDMA_OP_QUERY_QP, VRDMA_OP_DESTROY_QP,
            VRDMA_OP_ARM_CQ:
            0
        default: nil
        }
    }

    /// What is wrong with a command, seen without the state of its connection; nil when nothing is.
    ///
    /// - Parameters:
    ///   - descriptorCount: the descriptors that arrived with it.
    ///   - descriptorsWereLost: some did not arrive, for want of room in this process's table or in the packet.
    static func mistake(
        _ message: vrdma_message, descriptorCount: Int, descriptorsWereLost: Bool
    ) -> Errno? {
        guard let expected = Self.descriptorCount(opcode: message.opcode) else { return .notSupported }
        guard message.payload_bytes <= VRDMA_MESSAGE_PAYLOAD_BYTES else { return .invalidArgument }
        if descriptorsWereLost, descriptorCount < expected { return .tooManyOpenFiles }
        guard descriptorCount == expected, !descriptorsWereLost else { return .invalidArgument }
        return nil
    }
}

/// The operations of a send queue; the values of `enum ibv_wr_opcode` (ibv_post_send(3)).
public enum WorkRequestOpcode: UInt8, BitwiseCopyable, Hashable, Sendable, CaseIterable {
    case rdmaWrite = 0
    case rdmaWriteWithImmediate = 1
    case send = 2
    case sendWithImmediate = 3
    case rdmaRead = 4
    case compareAndSwap = 5
    case fetchAndAdd = 6

    /// The peer takes an entry from its receive queue for this operation.
    @inlinable
    public var consumesReceive: Bool {
        self == .send || self == .sendWithImmediate || self == .rdmaWriteWithImmediate
    }

    /// The operation carries four bytes of immediate data.
    @inlinable
    public var hasImmediate: Bool { self == .sendWithImmediate || self == .rdmaWriteWithImmediate }

    /// The operation is done at once on eight bytes.
    @inlinable
    public var isAtomic: Bool { self == .compareAndSwap || self == .fetchAndAdd }

    /// The opcode of its completion on the requester's side.
    @inlinable
    public var completionOpcode: WorkCompletionOpcode {
        switch self {
        case .rdmaWrite, .rdmaWriteWithImmediate: .rdmaWrite
        case .send, .sendWithImmediate: .send
        case .rdmaRead: .rdmaRead
        case .compareAndSwap: .compareAndSwap
        case .fetchAndAdd: .fetchAndAdd
        }
    }
}

/// What a completion is of; the values of `enum ibv_wc_opcode` (ibv_poll_cq(3)).
public enum WorkCompletionOpcode: UInt32, BitwiseCopyable, Hashable, Sendable {
    case send = 0
    case rdmaWrite = 1
    case rdmaRead = 2
    case compareAndSwap = 3
    case fetchAndAdd = 4
    case receive = 128
    case receiveRDMAWithImmediate = 129
}

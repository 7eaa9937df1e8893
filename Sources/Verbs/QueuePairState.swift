/// The states of a queue pair (IBA 10.3.1), with the values of `enum ibv_qp_state`.
public enum QueuePairState: UInt32, BitwiseCopyable, Hashable, Sendable, CaseIterable {
    case reset = 0
    case initialized = 1
    case readyToReceive = 2
    case readyToSend = 3
    case sendQueueDrained = 4
    case sendQueueError = 5
    case error = 6

    /// The short name that rdma-core's tools print.
    public var name: String {
        switch self {
        case .reset: "RESET"
        case .initialized: "INIT"
        case .readyToReceive: "RTR"
        case .readyToSend: "RTS"
        case .sendQueueDrained: "SQD"
        case .sendQueueError: "SQE"
        case .error: "ERR"
        }
    }

    /// Requests of a peer are executed in these states.
    @inlinable
    public var acceptsRequests: Bool {
        self == .readyToReceive || self == .readyToSend || self == .sendQueueDrained
    }
}

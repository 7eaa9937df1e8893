/// An asynchronous event of the device; the values of `enum ibv_event_type` (ibv_get_async_event(3)).
public enum AsyncEventType: UInt32, BitwiseCopyable, Hashable, Sendable {
    case completionQueueError = 0
    case queuePairFatal = 1
    case queuePairRequestError = 2
    case queuePairAccessError = 3
    case communicationEstablished = 4
    case sendQueueDrained = 5
    case pathMigrated = 6
    case pathMigrationError = 7
    case deviceFatal = 8
    case portActive = 9
    case portError = 10
    case lidChange = 11
    case pkeyChange = 12
    case subnetManagerChange = 13
    case sharedReceiveQueueError = 14
    case sharedReceiveQueueLimitReached = 15
    case lastWorkRequestReached = 16
    case clientReregister = 17
    case gidChange = 18

    /// The event names a queue pair.
    public var concernsQueuePair: Bool {
        switch self {
        case .queuePairFatal, .queuePairRequestError, .queuePairAccessError, .communicationEstablished,
            .sendQueueDrained, .pathMigrated, .pathMigrationError, .lastWorkRequestReached:
            true
        default: false
        }
    }
}

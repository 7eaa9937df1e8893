internal import CVRDMAABI

/// Something that happened to a device apart from its completions (ibv_get_async_event(3), IBA 11.6.3).
public struct AsyncEvent: Hashable, Sendable {
    /// What an event is about.
    public enum Subject: Hashable, Sendable {
        /// The queue pair of this number.
        case queuePair(QueuePairNumber)
        /// The completion queue with this identifier (`CompletionQueue.identifier`).
        case completionQueue(UInt32)
        /// The port of this number.
        case port(UInt32)
        /// The whole device.
        case device
    }

    /// What happened.
    public let type: AsyncEventType
    /// To what.
    public let subject: Subject

    init(_ type: AsyncEventType, _ subject: Subject) {
        self.type = type
        self.subject = subject
    }

    /// Nil for a type of event that this version does not know.
    init?(_ event: vrdma_async_event) {
        guard let type = AsyncEventType(rawValue: event.event_type) else { return nil }
        self.type = type
        if type.concernsQueuePair {
            subject = .queuePair(QueuePairNumber(rawValue: event.element))
        } else {
            subject =
                switch type {
                case .completionQueueError: .completionQueue(event.element)
                case .deviceFatal: .device
                default: .port(event.element)
                }
        }
    }
}

import Endpoint

/// Events that the engine has not taken yet.
struct HostEventQueue {
    private var events: [HostEvent] = []
    private var head = 0

    var isEmpty: Bool { head == events.count }

    mutating func append(_ event: HostEvent) {
        events.append(event)
    }

    mutating func next() -> HostEvent? {
        guard head < events.count else { return nil }
        let event = events[head]
        head += 1
        if head == events.count {
            events.removeAll(keepingCapacity: true)
            head = 0
        }
        return event
    }
}

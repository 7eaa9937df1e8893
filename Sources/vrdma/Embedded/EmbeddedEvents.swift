import LinuxIO
import Synchronization
import Verbs

/// Events of other threads, with a descriptor that tells the main one to look.
final class EmbeddedEvents: Sendable {
    let wakeUp: FileDescriptor
    private let events = Mutex<[EmbeddedEvent]>([])

    init() throws(Errno) {
        wakeUp = try EventDescriptor.create()
    }

    func post(_ event: EmbeddedEvent) {
        events.withLock { $0.append(event) }
        EventDescriptor.signal(wakeUp.rawValue)
    }

    func takeAll() -> [EmbeddedEvent] {
        EventDescriptor.clear(wakeUp.rawValue)
        return events.withLock { events in
            defer { events = [] }
            return events
        }
    }
}

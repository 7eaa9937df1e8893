import CLinux
import Glibc
import LinuxIO
import Verbs

/// The descriptors by which something is announced, behind one descriptor (epoll(7)).
final class EventSources {
    enum Source: UInt64, CaseIterable {
        case completions
        case asynchronous
        case worker
        case presence
    }

    let descriptor: FileDescriptor
    private let events: UnsafeMutablePointer<epoll_event>
    private static let capacity = Source.allCases.count

    init() throws(Errno) {
        descriptor = FileDescriptor(taking: try check { epoll_create1(Int32(EPOLL_CLOEXEC)) })
        events = .allocate(capacity: Self.capacity)
        events.initialize(repeating: epoll_event(), count: Self.capacity)
    }

    deinit {
        events.deallocate()
    }

    func watch(_ rawDescriptor: Int32, _ source: Source) throws(Errno) {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue
        event.data.u64 = source.rawValue
        try check { epoll_ctl(descriptor.rawValue, EPOLL_CTL_ADD, rawDescriptor, &event) }
    }

    func forget(_ rawDescriptor: Int32) {
        var event = epoll_event()
        epoll_ctl(descriptor.rawValue, EPOLL_CTL_DEL, rawDescriptor, &event)
    }

    /// Those that are readable now.
    func visitReady(_ visit: (Source, _ isHungUp: Bool) -> Void) {
        let count = epoll_wait(descriptor.rawValue, events, Int32(Self.capacity), 0)
        for position in 0..<Int(max(0, count)) {
            guard let source = Source(rawValue: events[position].data.u64) else { continue }
            visit(source, events[position].events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0)
        }
    }
}

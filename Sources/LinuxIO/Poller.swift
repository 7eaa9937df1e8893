import CLinux
import Glibc
import Verbs

/// Waits for descriptors (epoll(7)). The token given with a descriptor comes back with its readiness.
package final class Poller: Sendable {
    package struct Ready {
        package var token: UInt64
        package var isReadable: Bool
        /// The peer is gone, or the descriptor is in error.
        package var isHungUp: Bool
    }

    private let epoll: FileDescriptor

    package init() throws(Errno) {
        epoll = FileDescriptor(taking: try check { epoll_create1(Int32(EPOLL_CLOEXEC)) })
    }

    /// Watches for input. Edge-triggered: reported once for each new signal, and never has to be read.
    package func add(_ rawDescriptor: Int32, token: UInt64, edgeTriggered: Bool = false) throws(Errno) {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue | EPOLLRDHUP.rawValue | (edgeTriggered ? EPOLLET.rawValue : 0)
        event.data.u64 = token
        try check { epoll_ctl(epoll.rawValue, EPOLL_CTL_ADD, rawDescriptor, &event) }
    }

    package func remove(_ rawDescriptor: Int32) {
        var event = epoll_event()
        epoll_ctl(epoll.rawValue, EPOLL_CTL_DEL, rawDescriptor, &event)
    }

    /// Waits until something is ready or the time is over; nil waits for ever. Appends to `ready`, at most 64 a call.
    package func wait(timeoutNanoseconds: UInt64?, into ready: inout [Ready]) throws(Errno) {
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        var count: Int32
        if let timeoutNanoseconds {
            if timeoutNanoseconds == 0 {
                count = epoll_wait(epoll.rawValue, &events, 64, 0)
            } else {
                var time = timespec(
                    tv_sec: Int(timeoutNanoseconds / 1_000_000_000), tv_nsec: Int(timeoutNanoseconds % 1_000_000_000))
                count = epoll_pwait2(epoll.rawValue, &events, 64, &time, nil)
            }
        } else {
            count = epoll_wait(epoll.rawValue, &events, 64, -1)
        }
        if count < 0 {
            let error = Errno.current
            if error == .interrupted { return }
            throw error
        }
        for event in events.prefix(Int(count)) {
            ready.append(
                Ready(
                    token: event.data.u64, isReadable: event.events & EPOLLIN.rawValue != 0,
                    isHungUp: event.events & (EPOLLHUP.rawValue | EPOLLRDHUP.rawValue | EPOLLERR.rawValue) != 0))
        }
    }
}

import CLinux
import Glibc
import Verbs

/// An eventfd(2), by which one process wakes another.
package enum EventDescriptor {
    /// A new one that never blocks.
    package static func create() throws(Errno) -> FileDescriptor {
        FileDescriptor(taking: try check { clinux_eventfd() })
    }

    /// Wakes whoever waits. A full counter means that it is awake already.
    package static func signal(_ rawDescriptor: Int32) {
        var one: UInt64 = 1
        _ = write(rawDescriptor, &one, 8)
    }

    /// Takes all signals back, so that a level-triggered wait blocks again.
    package static func clear(_ rawDescriptor: Int32) {
        var count: UInt64 = 0
        _ = read(rawDescriptor, &count, 8)
    }

    /// Whether the descriptor is an eventfd, by what /proc says of it.
    package static func isEventDescriptor(_ file: FileDescriptor) -> Bool {
        var target = [UInt8](repeating: 0, count: 64)
        let length = readlink("/proc/self/fd/\(file.rawValue)", &target, target.count)
        return length > 0 && String(decoding: target.prefix(length), as: UTF8.self) == "anon_inode:[eventfd]"
    }
}

import Glibc
import Verbs

/// The owner of an open file descriptor, which is closed with the last reference.
package final class FileDescriptor: Sendable {
    /// The number, valid as long as this object lives.
    package let rawValue: Int32

    /// Takes over `rawValue`.
    package init(taking rawValue: Int32) {
        self.rawValue = rawValue
    }

    deinit {
        close(rawValue)
    }

    /// Another number for the same open file (`fcntl(2)`, F_DUPFD_CLOEXEC).
    package func duplicate() throws(Errno) -> FileDescriptor {
        FileDescriptor(taking: try check { fcntl(rawValue, F_DUPFD_CLOEXEC, 3) })
    }
}

/// Repeats a system call that a signal interrupted, and throws what else goes wrong.
@discardableResult
package func check<Result: SignedInteger>(_ call: () -> Result) throws(Errno) -> Result {
    while true {
        let result = call()
        if result >= 0 { return result }
        let error = Errno.current
        if error != .interrupted { throw error }
    }
}

import CLinux
import Verbs

/// Processes as descriptors (pidfd_open(2)), which no other process can take over as it can a number.
package enum ProcessDescriptor {
    /// A descriptor that becomes readable when the process ends. Throws `ESRCH` when there is no such process.
    package static func open(_ processIdentifier: Int32) throws(Errno) -> FileDescriptor {
        FileDescriptor(taking: try check { clinux_pidfd_open(processIdentifier) })
    }
}

import CVRDMAABI
import LinuxIO
import SharedMemory
import Verbs

/// What the device wants done outside of itself. The device performs no input or output.
package enum DeviceOutput {
    /// Send a completion event on a channel's socket.
    case completionEvent(socket: FileDescriptor, vrdma_completion_event)
    /// Send an asynchronous event on a context's socket.
    case asyncEvent(socket: FileDescriptor, vrdma_async_event)
    /// Let go of memory. Unmapping may take long, and is better done by another thread.
    case releaseMemory(Mapping)
    /// The answer to a command that took its time.
    case reply(guest: UInt32, vrdma_message)
    /// Lines for the log: the host adapter's device went away, or came back.
    case hostLost
    case hostAvailable
    /// One line for the log: a guest cannot use the host adapter's device, which does not have its address.
    case addressMissing(guest: String, address: GID)
    /// One line for the log: the host adapter's device does not register a guest's memory.
    case registrationRefused(guest: String, sizeBytes: UInt64, Errno)
    /// One line for the log: a guest's object could not be made again on a device that came back.
    case hostObjectLost(guest: String, reason: String)
    /// One line for the log: a guest broke a rule.
    case violation(guest: String, reason: String)
}

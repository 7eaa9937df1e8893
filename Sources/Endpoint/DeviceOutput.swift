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
    /// One line for the log: a guest broke a rule.
    case violation(guest: String, reason: String)
}

import CLinux
import LinuxIO
import Verbs

/// A sealed memfd that holds memory of the application. Its variables are protected by `ForkGuard.mutex`.
final class SharedMemoryFile: @unchecked Sendable {
    /// What its pages are.
    enum Purpose {
        /// Memory that the application had, and that was adopted.
        case adoption
        /// A `SharedAllocation`.
        case allocation
        /// Queues and doorbells.
        case queues
    }

    let file: FileDescriptor
    let identity: MemoryFileIdentity
    let sizeBytes: Int
    /// Memory regions that lie in it.
    var pinCount = 0
    /// Nothing new will lie in it: the endpoint may forget it when the last memory region is gone.
    var isRetired = false

    init(_ file: FileDescriptor, sizeBytes: Int, purpose: Purpose) throws(Errno) {
        self.file = file
        self.sizeBytes = sizeBytes
        identity = try MemoryFileIdentity(file)
        switch purpose {
        case .adoption: ForkGuard.protect(identity, file, CLINUX_FORK_COPY)
        case .queues: ForkGuard.protect(identity, file, CLINUX_FORK_COW)
        case .allocation: break
        }
    }

    deinit {
        ForkGuard.forget(identity)
    }
}

/// A piece of a file.
struct FileExtent {
    var file: SharedMemoryFile
    var offset: UInt64
    var lengthBytes: UInt64
}

import CLinux
import Glibc
import LinuxIO

/// Keeps parent and child apart over fork(2): `clinux_guard_forks`.
///
/// Adopted memory was private before and must look private still: the child replaces it by copies before it runs, and
/// the parent waits for that. The child's view of queues becomes its own, so that it cannot post for the parent, and its
/// connections lead nowhere, so that the guest driver sees the end of the parent when the parent ends.
enum ForkGuard {
    /// Protects `AdoptionEngine`, `SharedAllocationPool` and the variables of `SharedMemoryFile`. Held over a fork.
    static let mutex = PosixMutex()
    /// Rises in each child.
    static var generation: UInt64 { counter.pointee }

    /// Protects the tables. Taken after `mutex` where both are; held over a fork.
    private static let tableMutex = PosixMutex()
    private static let files = ForkTable<clinux_private_file>()
    private static let contexts = ForkTable<clinux_parents_context>()
    nonisolated(unsafe) private static let counter: UnsafeMutablePointer<UInt64> = {
        let counter = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
        counter.initialize(to: 0)
        return counter
    }()

    private static let isInstalled: Bool = {
        clinux_guard_forks({ plan in ForkGuard.prepare(plan) }, { ForkGuard.continueInParent() }) == 0
    }()

    /// Registers the handlers, once.
    static func install() {
        _ = isInstalled
    }

    /// From now on a child gets its own of what it has mapped of the file.
    static func protect(_ identity: MemoryFileIdentity, _ file: FileDescriptor, _ mode: clinux_fork_mode) {
        let entry = clinux_private_file(
            device: identity.device, inode: identity.inode, fd: file.rawValue, mode: mode.rawValue)
        tableMutex.withLock { files.append(entry) }
    }

    static func forget(_ identity: MemoryFileIdentity) {
        tableMutex.withLock {
            files.remove { $0.inode == identity.inode && $0.device == identity.device }
        }
    }

    /// From now on the context is gone in a child.
    static func add(_ context: ProviderContext) {
        install()
        let entry = clinux_parents_context(
            connection: context.connection.socket.rawValue,
            fatal: context.core.pointee.words.assumingMemoryBound(to: UInt32.self),
            mutexes: (context.mutex.mutex, context.connection.mutex.mutex))
        tableMutex.withLock { contexts.append(entry) }
    }

    static func remove(_ context: ProviderContext) {
        let fatal = context.core.pointee.words
        tableMutex.withLock { contexts.remove { $0.fatal.map { UnsafeMutableRawPointer($0) } == fatal } }
    }

    private static func prepare(_ plan: UnsafeMutablePointer<clinux_fork_plan>?) {
        mutex.lock()
        tableMutex.lock()
        plan?.pointee = clinux_fork_plan(
            files: files.entries, count: files.count, copy_limit_bytes: AdoptionLimits.forkCopyBytes,
            contexts: contexts.entries, context_count: contexts.count, mutexes: (mutex.mutex, tableMutex.mutex),
            generation: counter)
    }

    private static func continueInParent() {
        tableMutex.unlock()
        mutex.unlock()
    }
}

import CLinux
import Glibc
import LinuxIO

/// Keeps parent and child apart over fork(2) (pthread_atfork(3)).
///
/// Adopted memory was private before and must look private still: the child replaces it by copies before it runs, and
/// the parent waits for that. The child's view of queues becomes its own, so that it cannot post for the parent, and its
/// connections lead nowhere, so that the guest driver sees the end of the parent when the parent ends.
enum ForkGuard {
    /// Protects everything of this type, `AdoptionEngine` and `SharedMemoryFile`. Held over a fork.
    static let mutex = PosixMutex()
    /// The files that a child has its own of.
    static let files = ForkFileTable()
    /// Rises in each child.
    nonisolated(unsafe) private(set) static var generation: UInt64 = 0

    nonisolated(unsafe) private static var contexts: [Unmanaged<ProviderContext>] = []
    nonisolated(unsafe) private static var isInstalled = false
    nonisolated(unsafe) private static var pipeEnds: (read: Int32, write: Int32) = (-1, -1)
    /// Longer than copying what may be copied takes.
    private static let childTimeoutMilliseconds: Int32 = 30_000

    /// Registers the handlers, once.
    static func install() {
        mutex.withLock {
            guard !isInstalled else { return }
            isInstalled = true
            _ = pthread_atfork({ ForkGuard.prepare() }, { ForkGuard.continueInParent() }, { ForkGuard.continueInChild() })
        }
    }

    /// From now on the context is cut off in a child.
    static func add(_ context: ProviderContext) {
        install()
        mutex.withLock { contexts.append(Unmanaged.passUnretained(context)) }
    }

    static func remove(_ context: ProviderContext) {
        let pointer = Unmanaged.passUnretained(context).toOpaque()
        mutex.withLock { contexts.removeAll { $0.toOpaque() == pointer } }
    }

    private static func prepare() {
        mutex.lock()
        files.mutex.lock()
        var ends: [Int32] = [-1, -1]
        if files.count > 0, clinux_pipe(&ends) == 0 { pipeEnds = (ends[0], ends[1]) }
    }

    private static func continueInParent() {
        if pipeEnds.read >= 0 {
            close(pipeEnds.write)
            clinux_wait_for_end(pipeEnds.read, childTimeoutMilliseconds)
            close(pipeEnds.read)
            pipeEnds = (-1, -1)
        }
        files.mutex.unlock()
        mutex.unlock()
    }

    private static func continueInChild() {
        generation &+= 1
        // A child that still wrote into its parent's memory would destroy it.
        if !files.privatise(copyLimitBytes: AdoptionLimits.forkCopyBytes) { abort() }
        if pipeEnds.read >= 0 {
            close(pipeEnds.read)
            close(pipeEnds.write)
            pipeEnds = (-1, -1)
        }
        for context in contexts { context._withUnsafeGuaranteedRef { $0.cutOff() } }
        contexts = []
        files.mutex.unlock()
        mutex.unlock()
    }
}

import CLinux
import Glibc
import LinuxIO

/// Keeps parent and child apart over fork(2): `clinux_guard_forks`.
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

    /// Registers the handlers, once.
    static func install() {
        mutex.withLock {
            guard !isInstalled else { return }
            isInstalled = true
            _ = clinux_guard_forks(
                { plan in ForkGuard.prepare(plan) }, { ForkGuard.continueInParent() }, { ForkGuard.continueInChild() })
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

    private static func prepare(_ plan: UnsafeMutablePointer<clinux_fork_plan>?) {
        mutex.lock()
        files.mutex.lock()
        plan?.pointee = files.plan(copyLimitBytes: AdoptionLimits.forkCopyBytes)
    }

    private static func continueInParent() {
        files.mutex.unlock()
        mutex.unlock()
    }

    private static func continueInChild() {
        generation &+= 1
        for context in contexts { context._withUnsafeGuaranteedRef { $0.cutOff() } }
        contexts = []
        files.mutex.unlock()
        mutex.unlock()
    }
}

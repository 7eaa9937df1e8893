internal import LinuxIO

/// A value that one thread at a time can reach. The lock is one of pthreads, which the thread sanitizer knows.
final class Guarded<Value>: @unchecked Sendable {
    private let mutex = PosixMutex()
    private var value: Value

    init(_ value: Value) {
        self.value = value
    }

    /// Runs `body` with the lock held.
    func withLock<Result, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        mutex.lock()
        defer { mutex.unlock() }
        return try body(&value)
    }
}

import Glibc
import Synchronization

/// What another thread will find.
final class Outcome<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)
    private let isDone = Atomic<UInt32>(0)

    func set(_ value: Result<Value, any Error>) {
        result.withLock { $0 = value }
        isDone.store(1, ordering: .releasing)
    }

    /// Looks now and then: whoever measures should not be woken by this.
    func wait() -> Result<Value, any Error> {
        while true {
            if isDone.load(ordering: .acquiring) == 1, let found = result.withLock({ $0 }) { return found }
            usleep(1000)
        }
    }
}

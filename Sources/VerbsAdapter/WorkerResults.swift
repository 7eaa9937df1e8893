import Endpoint
import LinuxIO
import Synchronization
import Verbs

/// What other threads did, on its way to the engine's.
final class WorkerResults: Sendable {
    enum Result: Sendable {
        case registered(HostMemory, token: UInt64)
        case registrationFailed(UInt32, Errno, token: UInt64)
        case deregistered(UInt32, token: UInt64)
        /// A queue pair was changed, unless there is an error.
        case modified(QueuePairChange, Errno?)
        /// Nothing is left of the lost device.
        case closed
    }

    private let results = Mutex<[Result]>([])
    /// A look without a lock.
    private let areThere = Atomic(false)
    /// Readable when there are results.
    let signal: FileDescriptor

    init() throws(Errno) {
        signal = try EventDescriptor.create()
    }

    var isEmpty: Bool {
        @inline(__always) get { !areThere.load(ordering: .acquiring) }
    }

    func append(_ result: Result) {
        results.withLock {
            $0.append(result)
            areThere.store(true, ordering: .releasing)
        }
        EventDescriptor.signal(signal.rawValue)
    }

    func takeAll() -> [Result] {
        EventDescriptor.clear(signal.rawValue)
        return results.withLock { results in
            areThere.store(false, ordering: .relaxed)
            defer { results = [] }
            return results
        }
    }
}

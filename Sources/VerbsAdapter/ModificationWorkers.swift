import CRDMACore
import Glibc
import LinuxIO
import Verbs

/// Changes queue pairs on threads of its own.
///
/// On Ethernet the change to the state RTR lets the kernel find out the peer's link address, and a peer that does not
/// answer takes it a second (`rdma_addr_find_l2_eth_by_grh` in the kernel).
final class ModificationWorkers: @unchecked Sendable {
    private let results: WorkerResults
    private let maximumThreads: Int
    private let lock = PosixMutex()
    private let changed: UnsafeMutablePointer<pthread_cond_t>

    // Under the lock.
    private var waiting: [QueuePairChange] = []
    private var underWay = 0
    private var idleThreads = 0
    private var isStopped = false
    private var threads: [BackgroundThread] = []

    init(results: WorkerResults, maximumThreads: Int) {
        self.results = results
        self.maximumThreads = max(1, maximumThreads)
        changed = .allocate(capacity: 1)
        changed.initialize(to: pthread_cond_t())
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        changed.deallocate()
    }

    /// Begins a change; the result comes with the others. Throws when there is no thread for it.
    func begin(_ change: QueuePairChange) throws(Errno) {
        try lock.withLock { () throws(Errno) in
            if idleThreads <= waiting.count, threads.count < maximumThreads {
                do throws(Errno) {
                    threads.append(try BackgroundThread(name: "vrdma-connect") { self.run() })
                    // It is idle until it takes its first change.
                    idleThreads += 1
                } catch  where !threads.isEmpty {
                    // Those that there are do it, later.
                }
            }
            waiting.append(change)
            pthread_cond_broadcast(changed)
        }
    }

    /// Lets changes that have not begun fail: the device is gone.
    func abandon() {
        let abandoned = lock.withLock {
            defer { waiting.removeAll() }
            return waiting
        }
        for change in abandoned { results.append(.modified(change, .noSuchDevice)) }
    }

    /// Waits for the end of those that have begun.
    func waitUntilIdle() {
        lock.withLock {
            while underWay > 0 { pthread_cond_wait(changed, lock.mutex) }
        }
    }

    /// Ends the threads.
    func stop() {
        let threads = lock.withLock {
            isStopped = true
            pthread_cond_broadcast(changed)
            return self.threads
        }
        for thread in threads { thread.join() }
    }

    private func run() {
        while var change = next() {
            let result = ibv_modify_qp(change.real, &change.attributes, Int32(truncatingIfNeeded: change.mask))
            results.append(.modified(change, result == 0 ? nil : .ofDevice(result)))
            lock.withLock {
                underWay -= 1
                idleThreads += 1
                pthread_cond_broadcast(changed)
            }
        }
    }

    private func next() -> QueuePairChange? {
        lock.withLock {
            while waiting.isEmpty {
                if isStopped { return nil }
                pthread_cond_wait(changed, lock.mutex)
            }
            idleThreads -= 1
            underWay += 1
            return waiting.removeFirst()
        }
    }
}

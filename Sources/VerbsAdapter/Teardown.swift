import CRDMACore
import Endpoint
import LinuxIO
import Tables

/// What guests left behind, in the order in which it goes: queue pairs, completion queues, memory.
struct AbandonedObjects {
    enum Object {
        case queuePair(UnsafeMutablePointer<ibv_qp>, domain: UInt32)
        case completionQueue(DeviceRemains.CompletionQueue)
        case memory(handle: UInt32)
    }

    private var objects: [Object] = []
    private var head = 0

    var isEmpty: Bool { head == objects.count }

    mutating func append(_ object: Object) {
        objects.append(object)
    }

    mutating func popFirst() -> Object? {
        guard head < objects.count else { return nil }
        let object = objects[head]
        head += 1
        if head == objects.count { removeAll() }
        return object
    }

    mutating func removeAll() {
        objects.removeAll()
        head = 0
    }

    /// What is still there, for a device that is lost.
    var rest: ArraySlice<Object> { objects[head...] }
}

/// Each of a device's objects takes the kernel some time to destroy. An application may have left thousands, for which
/// other guests do not wait.
extension VerbsAdapter {
    /// The time for them in one poll; one goes in any case.
    private static let teardownNanoseconds: UInt64 = 200_000

    package func abandonQueuePair(_ queuePair: UInt32) {
        let place = Int(queuePair)
        guard place < queuePairs.count, let real = queuePairs[place].real else { return }
        // One that another thread is changing waits for that.
        guard queuePairs[place].changes == 0 else { return destroyQueuePair(queuePair) }
        abandoned.append(.queuePair(real, domain: queuePairs[place].domain))
        forgetRequests(place)
        queuePairs[place].forget()
    }

    package func abandonCompletionQueue(_ queue: UInt32) {
        let place = Int(queue)
        guard place < completionQueues.count, let real = completionQueues[place].real else { return }
        abandoned.append(
            .completionQueue(
                .init(real: real, unacknowledgedEvents: completionQueues[place].unacknowledgedEvents)))
        completionQueues[place].forget()
    }

    /// Destroys some of what was left behind.
    func tearDown() {
        guard !abandoned.isEmpty else { return }
        let end = MonotonicClock.nowNanoseconds &+ Self.teardownNanoseconds
        while let object = abandoned.popFirst() {
            switch object {
            case .queuePair(let real, let domain):
                ibv_destroy_qp(real)
                release(domain)
            case .completionQueue(let queue):
                destroy(queue)
            case .memory(let handle):
                worker.begin(.deregister(handle, token: 0))
            }
            if MonotonicClock.nowNanoseconds >= end { return }
        }
    }
}

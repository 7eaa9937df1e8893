import CRDMACore
import Endpoint
import LinuxIO
import Synchronization
import Verbs

/// Registers and deregisters memory, and closes lost devices, on a thread of its own: the kernel takes its time to pin
/// the pages of a large region. One job after the other, in the order in which they were asked for.
final class RegistrationWorker: @unchecked Sendable {
    enum Job {
        case register(UInt32, HostRegistration, domain: UnsafeMutablePointer<ibv_pd>, token: UInt64)
        case deregister(UInt32, token: UInt64)
        /// Takes all memory away, then the rest of the device.
        case close(DeviceRemains)
        case stop
    }

    private struct Jobs: @unchecked Sendable {
        var waiting: [Job] = []
    }

    private let jobs = Mutex(Jobs())
    private let jobSignal: FileDescriptor
    private let poller: Poller
    private let results: WorkerResults
    /// The device is lost: registrations need not be tried.
    private let isAbandoned = Atomic(false)

    // Of the thread.
    private var memories: [UInt32: RegisteredMemory] = [:]
    private var unusedPieces: Int

    /// - Parameter stitchedPieces: mappings that regions of several pieces may take.
    init(results: WorkerResults, stitchedPieces: Int) throws(Errno) {
        self.results = results
        unusedPieces = stitchedPieces
        jobSignal = try EventDescriptor.create()
        poller = try Poller()
        try poller.add(jobSignal.rawValue, token: 0)
    }

    func start() throws(Errno) -> BackgroundThread {
        try BackgroundThread(name: "vrdma-register") { self.run() }
    }

    func begin(_ job: Job) {
        jobs.withLock { $0.waiting.append(job) }
        EventDescriptor.signal(jobSignal.rawValue)
    }

    /// Lets the jobs before the end of the device fail without trying.
    func abandon() {
        isAbandoned.store(true, ordering: .releasing)
    }

    private func run() {
        var ready: [Poller.Ready] = []
        while true {
            EventDescriptor.clear(jobSignal.rawValue)
            let jobs = jobs.withLock { jobs in
                defer { jobs.waiting = [] }
                return jobs.waiting
            }
            for job in jobs {
                if case .stop = job { return }
                if let result = carryOut(job) { results.append(result) }
            }
            ready.removeAll()
            guard (try? poller.wait(timeoutNanoseconds: nil, into: &ready)) != nil else { return }
        }
    }

    private func carryOut(_ job: Job) -> WorkerResults.Result? {
        switch job {
        case .register(let handle, let registration, let domain, let token):
            do throws(Errno) {
                let memory = try register(handle, registration, domain)
                return .registered(memory, token: token)
            } catch {
                return .registrationFailed(handle, error, token: token)
            }
        case .deregister(let handle, let token):
            deregister(handle)
            return .deregistered(handle, token: token)
        case .close(let remains):
            remains.destroyQueues()
            for handle in Array(memories.keys) { deregister(handle) }
            remains.closeDevice()
            isAbandoned.store(false, ordering: .releasing)
            return .closed
        case .stop:
            return nil
        }
    }

    private func register(
        _ handle: UInt32, _ registration: HostRegistration, _ domain: UnsafeMutablePointer<ibv_pd>
    ) throws(Errno) -> HostMemory {
        guard !isAbandoned.load(ordering: .acquiring) else { throw .noSuchDevice }
        let memory = try RegisteredMemory(registration, in: domain, pieceLimit: unusedPieces)
        unusedPieces -= memory.stitchedPieces
        memories[handle] = memory
        return HostMemory(
            handle: HostHandle(rawValue: handle), localKey: memory.localKey, remoteKey: memory.remoteKey)
    }

    private func deregister(_ handle: UInt32) {
        guard let memory = memories.removeValue(forKey: handle) else { return }
        unusedPieces += memory.stitchedPieces
        memory.deregister()
    }
}

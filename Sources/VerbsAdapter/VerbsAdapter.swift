import CRDMACore
import CVRDMAABI
import Endpoint
import LinuxIO
import Tables
import Verbs

/// The host adapter on a real device: InfiniBand, RoCE, or the kernel's software RoCE, through libibverbs.
///
/// Posting and polling take no lock and allocate nothing; what the kernel takes its time for happens on a thread of the
/// adapter's own. The device may be taken away at any time: everything that is left of it is given back, and a device
/// that has the same name later is used again.
package final class VerbsAdapter: HostAdapter {
    package let name = "verbs"
    package private(set) var attributes: HostDeviceAttributes
    package private(set) var port = HostPortAttributes()
    /// The addresses of the port, with their indices on the device.
    private(set) var gids = GIDTable()

    let deviceName: String
    let portNumber: Int
    let limits: VerbsAdapterLimits
    /// Nil while the device is away.
    private(set) var device: VerbsDevice?
    let sources: EventSources
    let presence: DevicePresence
    let results: WorkerResults
    let worker: RegistrationWorker
    let modifications: ModificationWorkers
    private let workerThread: BackgroundThread

    /// By the engine's indices.
    let queuePairs: Block<QueuePairEntry>
    let completionQueues: Block<CompletionQueueEntry>
    let polling: PollingState
    /// Queue pairs that got receives, and when to look at them.
    let watched: IndexList
    var watchDeadline: UInt64?
    let sends: RequestBatch<ibv_send_wr>
    let receives: RequestBatch<ibv_recv_wr>
    var domains: [UInt32: DomainEntry] = [:]
    /// The domain of each registration.
    var memories: [UInt32: UInt32] = [:]
    var lastHandle: UInt32 = 0
    /// Destroyed for the engine, but still used by another thread; and the queues that were theirs.
    var abandoned = AbandonedObjects()
    var doomedQueuePairs: [DoomedQueuePair] = []
    var doomedQueues: [DeviceRemains.CompletionQueue] = []
    var events = HostEventQueue()
    /// When to look for the device again; nil when the kernel will tell.
    var nextLookNanoseconds: UInt64?
    /// What is left of the lost device is still being given back.
    var isClosing = false
    /// Wishes for any completion that could not be taken back: each may make one event too many.
    package internal(set) var eventsNotRecalled: UInt64 = 0
    /// Why the device did not take a request of the last batch.
    package internal(set) var lastPostingError: Errno?

    /// Opens the device, which must be there now.
    ///
    /// - Parameter port: counted from 1.
    package init(
        deviceName: String, port: Int = 1, limits: VerbsAdapterLimits = VerbsAdapterLimits()
    ) throws(VerbsAdapterError) {
        // Before the device is opened, so that its end cannot be missed.
        presence = DevicePresence()
        let device = try VerbsDevice(name: deviceName, port: port, elements: limits.scatterGatherElements)
        var limits = limits
        limits.queuePairs = max(1, min(limits.queuePairs, RequestIdentifier.maximumQueuePairs))
        limits.completionQueues = max(1, limits.completionQueues)
        do throws(Errno) {
            (self.port, gids) = try device.queryPort()
            results = try WorkerResults()
            worker = try RegistrationWorker(results: results, stitchedPieces: limits.stitchedPieces)
            modifications = ModificationWorkers(results: results, maximumThreads: limits.modificationThreads)
            sources = try EventSources()
            try sources.watch(results.signal.rawValue, .worker)
            if let socket = presence.socket { try sources.watch(socket.rawValue, .presence) }
            try sources.watch(device.channel.pointee.fd, .completions)
            try sources.watch(device.context.pointee.async_fd, .asynchronous)
            workerThread = try worker.start()
        } catch {
            device.close()
            throw .system("the start of the verbs adapter", error)
        }
        self.deviceName = deviceName
        self.portNumber = port
        self.limits = limits
        attributes = device.attributes
        queuePairs = .allocate(count: limits.queuePairs, repeating: QueuePairEntry())
        completionQueues = .allocate(count: limits.completionQueues, repeating: CompletionQueueEntry())
        polling = PollingState(limits)
        watched = IndexList(capacity: limits.queuePairs)
        sends = RequestBatch(limits)
        receives = RequestBatch(limits)
        self.device = device
        nextLookNanoseconds = presence.isReliable ? nil : 0
    }

    deinit {
        if let device { worker.begin(.close(takeRemains(of: device))) }
        modifications.abandon()
        worker.begin(.stop)
        workerThread.join()
        modifications.stop()
        queuePairs.deallocate()
        completionQueues.deallocate()
        polling.deallocate()
        watched.deallocate()
        sends.deallocate()
        receives.deallocate()
    }

    package var isAvailable: Bool { device != nil }
    package var eventDescriptor: FileDescriptor { sources.descriptor }
    package var forbiddenLocalKey: UInt32 { device?.forbiddenLocalKey ?? 0 }

    package func hasAddress(_ address: GID) -> Bool {
        device != nil && gids.index(of: address) != nil
    }

    package var nextDeadlineNanoseconds: UInt64? {
        if !abandoned.isEmpty { return 0 }
        let next = min(nextLookNanoseconds ?? .max, watchDeadline ?? .max, polling.sleepDeadline ?? .max)
        return next == .max ? nil : next
    }

    /// The device, or `ENODEV`.
    func openDevice() throws(Errno) -> VerbsDevice {
        guard let device else { throw .noSuchDevice }
        return device
    }

    /// Reads the port and its addresses again.
    func refreshPort() {
        guard let device, let (port, gids) = try? device.queryPort() else { return }
        (self.port, self.gids) = (port, gids)
    }

    /// Begins with a device that appeared.
    func use(_ device: VerbsDevice) throws(Errno) {
        let (port, gids) = try device.queryPort()
        try sources.watch(device.channel.pointee.fd, .completions)
        try sources.watch(device.context.pointee.async_fd, .asynchronous)
        (self.port, self.gids) = (port, gids)
        attributes = device.attributes
        self.device = device
    }

    /// Forgets the device and its objects; they are in the result.
    func takeRemains(of device: VerbsDevice) -> DeviceRemains {
        var remains = DeviceRemains(device: device, modifications: modifications)
        sources.forget(device.channel.pointee.fd)
        sources.forget(device.context.pointee.async_fd)
        for index in 0..<queuePairs.count {
            guard let real = queuePairs[index].real else { continue }
            remains.queuePairs.append(real)
            queuePairs[index].forget()
        }
        for index in 0..<completionQueues.count {
            guard let real = completionQueues[index].real else { continue }
            remains.completionQueues.append(
                .init(real: real, unacknowledgedEvents: completionQueues[index].unacknowledgedEvents))
            completionQueues[index].forget()
        }
        remains.queuePairs += doomedQueuePairs.map(\.real)
        remains.completionQueues += doomedQueues
        for object in abandoned.rest {
            switch object {
            case .queuePair(let real, _): remains.queuePairs.append(real)
            case .completionQueue(let queue): remains.completionQueues.append(queue)
            // All memory of the device goes.
            case .memory: break
            }
        }
        abandoned.removeAll()
        doomedQueuePairs.removeAll()
        doomedQueues.removeAll()
        remains.domains = domains.values.map(\.real)
        domains.removeAll()
        memories.removeAll()
        polling.forgetPending()
        self.device = nil
        port.state = 1
        return remains
    }
}

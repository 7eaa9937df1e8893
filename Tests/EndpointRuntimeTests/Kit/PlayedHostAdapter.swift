import CVRDMAABI
import Endpoint
import LinuxIO
import Synchronization
import Tables
import Verbs

/// A host adapter without a device: it has a port and addresses, and what happens to it is said by the test.
final class PlayedHostAdapter: HostAdapter {
    /// What the test says, from its own thread.
    final class Script: Sendable {
        private let events = Mutex<[HostEvent]>([])
        private let available = Mutex(true)
        /// What the test made of the port; nil is as it began.
        private let active = Mutex<Bool?>(nil)
        let signal: FileDescriptor

        init() throws(Errno) {
            signal = try EventDescriptor.create()
        }

        func say(_ event: HostEvent) {
            if event == .lost { available.withLock { $0 = false } }
            if event == .available { available.withLock { $0 = true } }
            events.withLock { $0.append(event) }
            EventDescriptor.signal(signal.rawValue)
        }

        /// Changes the port, and says so.
        func setPort(isActive: Bool) {
            active.withLock { $0 = isActive }
            say(.port(isActive ? .portActive : .portError))
        }

        fileprivate var isActive: Bool? { active.withLock { $0 } }

        fileprivate func next() -> HostEvent? {
            events.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        }

        fileprivate var isAvailable: Bool { available.withLock { $0 } }
    }

    private let script: Script
    var port = HostPortAttributes()
    private(set) var attributes = HostDeviceAttributes()

    init(_ script: Script, addresses: [GID], isActive: Bool = true) {
        self.script = script
        attributes.deviceName = "played0"
        attributes.queuePairs = 100
        attributes.workRequestsPerQueue = 100
        attributes.scatterGatherElements = 4
        attributes.completionQueues = 100
        attributes.completionQueueEntries = 1000
        attributes.protectionDomains = 100
        attributes.memoryRegions = 100
        port.state = isActive ? 4 : 1
        port.activeMTU = 3
        port.messageBytes = 1 << 20
        port.addresses = addresses
    }

    var name: String { "verbs" }
    var isAvailable: Bool { script.isAvailable }
    var eventDescriptor: FileDescriptor { script.signal }
    var nextDeadlineNanoseconds: UInt64? { nil }
    var forbiddenLocalKey: UInt32 { 1 }

    func hasAddress(_ address: GID) -> Bool { port.addresses.contains(address) }

    func nextEvent() -> HostEvent? {
        EventDescriptor.clear(script.signal.rawValue)
        if let isActive = script.isActive { port.state = isActive ? 4 : 1 }
        return script.next()
    }

    func prepareToSleep() -> Bool { true }

    func createProtectionDomain() throws(Errno) -> HostHandle { throw .notSupported }
    func destroyProtectionDomain(_ domain: HostHandle) {}
    func beginRegistration(_ registration: HostRegistration, token: UInt64) {}
    func beginDeregistration(_ memory: HostHandle, token: UInt64) {}
    func createCompletionQueue(_ queue: UInt32, entryCount: UInt32) throws(Errno) { throw .notSupported }
    func destroyCompletionQueue(_ queue: UInt32) {}
    func requestSolicitedEvent(_ queue: UInt32) throws(Errno) { throw .notSupported }
    func createQueuePair(_ queuePair: UInt32, _ shape: HostQueuePairShape) throws(Errno) -> QueuePairNumber {
        throw .notSupported
    }
    func modifyQueuePair(_ queuePair: UInt32, _ attributes: vrdma_qp_attributes, source: GID) throws(Errno) {
        throw .notSupported
    }
    func beginModification(_ queuePair: UInt32, _ attributes: vrdma_qp_attributes, source: GID, token: UInt64) {}
    func queryQueuePair(_ queuePair: UInt32) throws(Errno) -> vrdma_qp_attributes { throw .notSupported }
    func destroyQueuePair(_ queuePair: UInt32) {}
    func appendSend(_ request: HostSendRequest, elements: Block<vrdma_sge>) -> Bool { false }
    func signalLastSend() {}
    func postSends(_ queuePair: UInt32) -> Int { 0 }
    func appendReceive(index: UInt32, elements: Block<vrdma_sge>, elementCount: Int) -> Bool { false }
    func postReceives(_ queuePair: UInt32) -> Int { 0 }
    func poll(into completions: Block<HostCompletion>, now: UInt64) -> Int { 0 }
}

import CVRDMAABI
import MemoryTranslation
import Tables
import Verbs

/// What the engine keeps beside the host adapter: the identifiers of both sides, and registrations under way.
final class HostState {
    let adapter: any HostAdapter
    /// Guests of this endpoint reach each other without the device.
    let usesLocalPath: Bool
    /// Queue pair numbers, as guests know them and as the device does.
    var numbers = IdentifierTables()
    /// Remote keys, as guests know them and as the device does.
    var remoteKeys = IdentifierTables()
    var registrations: [UInt64: PendingRegistration] = [:]
    var deregistrations: [UInt64: PendingDeregistration] = [:]
    var modifications: [UInt64: PendingModification] = [:]
    private var lastToken: UInt64 = 0
    /// When to look at requests on a port that is down; nil while it is active.
    var nextPortCheckNanoseconds: UInt64?
    /// Room for a batch of completions, and for the elements of one request.
    let completions: Block<HostCompletion>
    let elements: Block<vrdma_sge>

    private static let completionsPerTurn = 256

    init(adapter: any HostAdapter, usesLocalPath: Bool) {
        self.adapter = adapter
        self.usesLocalPath = usesLocalPath
        completions = .allocate(count: Self.completionsPerTurn, repeating: HostCompletion())
        elements = .allocate(count: TransferScratch.rangeCapacity, repeating: vrdma_sge())
    }

    func deallocate() {
        completions.deallocate()
        elements.deallocate()
    }

    func newToken() -> UInt64 {
        lastToken &+= 1
        return lastToken
    }
}

/// A registration that the adapter has begun.
struct PendingRegistration {
    /// Whose command waits for the answer; nil when the region has its key already, and the device came back.
    var command: vrdma_message?
    var guest: UInt32
    var context: UInt32
    /// Of the context, whose number another may have when the answer comes.
    var contextGeneration: UInt32
    var request: vrdma_reg_mr_command
    var extents: [Extent]
    /// The key that the guest has for it, when it has one.
    var key: MemoryKey?
    /// How often the device chose a key that the guest knows from before it came back.
    var conflictCount = 0
}

/// A deregistration that a guest's command waits for.
struct PendingDeregistration {
    var command: vrdma_message
    var guest: UInt32
    var contextGeneration: UInt32
    var memory: RegisteredMemory
}

/// A change of a queue pair that the adapter has begun.
struct PendingModification {
    var command: vrdma_message
    var guest: UInt32
    var queuePair: UInt32
    /// Of the queue pair, whose place another may have when the answer comes.
    var generation: UInt32
    var attributes: vrdma_qp_attributes
    /// As the device knows them, and the guest's address.
    var translated: vrdma_qp_attributes
    var source: GID
    var current: QueuePairState
    var next: QueuePairState
    var path: QueuePair.Path
}

extension DeviceLimits {
    /// These limits, with none above what the host adapter's device offers.
    func limited(by adapter: any HostAdapter) -> DeviceLimits {
        let device = adapter.attributes
        var limits = self
        limits.totalQueuePairs = min(totalQueuePairs, device.queuePairs)
        limits.queuePairsPerGuest = min(queuePairsPerGuest, device.queuePairs)
        limits.totalCompletionQueues = min(totalCompletionQueues, device.completionQueues)
        limits.completionQueuesPerGuest = min(completionQueuesPerGuest, device.completionQueues)
        limits.completionQueueEntries = min(completionQueueEntries, device.completionQueueEntries).powerOfTwoBelow
        limits.workRequestsPerQueue = min(workRequestsPerQueue, device.workRequestsPerQueue).powerOfTwoBelow
        limits.scatterGatherElements = min(scatterGatherElements, device.scatterGatherElements)
        limits.inlineBytes = min(inlineBytes, device.inlineBytes)
        limits.protectionDomainsPerGuest = min(protectionDomainsPerGuest, device.protectionDomains)
        limits.memoryRegionsPerGuest = min(memoryRegionsPerGuest, device.memoryRegions)
        limits.outstandingReads = min(
            outstandingReads, device.outstandingReadsAsRequester, device.outstandingReadsAsResponder)
        if adapter.port.messageBytes > 0 { limits.messageBytes = min(messageBytes, UInt64(adapter.port.messageBytes)) }
        return limits
    }
}

extension UInt32 {
    /// The greatest power of two that is not above it; rings have such sizes.
    fileprivate var powerOfTwoBelow: UInt32 { self == 0 ? 0 : 1 << (31 - UInt32(leadingZeroBitCount)) }
}

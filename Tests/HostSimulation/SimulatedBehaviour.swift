import Endpoint
import Verbs

/// How a simulated device does its work, and what it refuses.
package struct SimulatedBehaviour {
    /// Local and remote keys are different numbers, and memory that no peer may reach has no remote key.
    package var hasSeparateKeys = false
    /// Steps before a registration or deregistration is done.
    package var memorySteps: ClosedRange<Int> = 0...0
    /// Steps before a change of a queue pair that names a peer is done.
    package var modificationSteps: ClosedRange<Int> = 0...0
    /// Requests of one queue pair in a step, at most.
    package var requestsPerStep = 16
    /// It executes nothing, and does not know that there is something to do.
    package var forgetsRequests = false
    /// In how many of 100 steps a queue pair does nothing.
    package var idleChance = 0
    /// In how many of 1000 requests the device itself fails.
    package var failureChance = 0
    package var batchCapacity = 32
    /// Steps without an answer, or without a receive, for each retry.
    package var stepsPerRetry = 4
    package var remembersRequests = false

    // Errors, each for one call.
    package var failNextDomain: Errno?
    package var failNextQueue: Errno?
    package var failNextQueuePair: Errno?
    package var failNextModify: Errno?
    package var failNextRegistration: Errno?
    /// How the next request that is executed ends.
    package var failNextRequest: WorkCompletionStatus?

    /// Requests that posting fails with.
    package var refusesSend: ((HostSendRequest) -> Bool)?
    /// Requests that the adapter cannot express.
    package var cannotExpress: ((HostSendRequest) -> Bool)?
    package var refusesReceive: ((UInt32) -> Bool)?

    package init() {}
}

extension Optional where Wrapped: Error {
    /// Takes an error that is meant for one call, and throws it.
    mutating func throwOnce() throws(Wrapped) {
        guard let error = self else { return }
        self = nil
        throw error
    }
}

extension HostDeviceAttributes {
    static var simulated: HostDeviceAttributes {
        var result = HostDeviceAttributes()
        result.deviceName = "sim0"
        result.queuePairs = 4096
        result.workRequestsPerQueue = 4096
        result.scatterGatherElements = 32
        result.inlineBytes = 512
        result.completionQueues = 4096
        result.completionQueueEntries = 32767
        result.protectionDomains = 4096
        result.memoryRegions = 4096
        result.memoryRegionBytes = 1 << 40
        result.outstandingReadsAsRequester = 64
        result.outstandingReadsAsResponder = 64
        result.outstandingReadsOfAll = 1 << 20
        result.atomicCapability = 1
        result.capabilityFlags = .max
        result.vendorIdentifier = 0x1234
        return result
    }
}

extension HostPortAttributes {
    static func simulated(_ addresses: [GID]) -> HostPortAttributes {
        var result = HostPortAttributes()
        result.state = 4
        result.largestMTU = 5
        result.activeMTU = 3
        result.messageBytes = 1 << 30
        result.activeSpeed = 1
        result.activeWidth = 1
        result.physicalState = 5
        result.linkLayer = 2
        result.addresses = addresses
        return result
    }
}

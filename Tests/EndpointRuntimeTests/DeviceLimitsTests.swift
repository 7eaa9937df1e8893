import Endpoint
import Service
import Testing

@testable import EndpointRuntime

/// Every limit of the configuration arrives at the device.
struct DeviceLimitsTests {
    @Test func defaults() {
        let limits = DeviceLimits(EndpointConfiguration())
        #expect(limits == DeviceLimits())
    }

    @Test func configured() {
        var configuration = EndpointConfiguration()
        (configuration.totals.guests, configuration.totals.contexts) = (1, 2)
        (configuration.totals.queuePairs, configuration.totals.completionQueues) = (3, 4)
        (configuration.engine.workRequestsPerTurn, configuration.engine.bytesPerTurn) = (5, 4096)
        configuration.engine.doorbellsPerTurn = 6
        var guest = GuestLimits()
        (guest.contexts, guest.protectionDomains, guest.memoryRegions) = (10, 11, 12)
        (guest.completionQueues, guest.queuePairs, guest.completionChannels) = (13, 14, 15)
        (guest.sharedMemoryRegions, guest.mappedMemoryBytes, guest.completionQueueEntries) = (16, 1 << 21, 17)
        (guest.workRequestsPerQueue, guest.scatterGatherElements, guest.inlineBytes) = (18, 19, 20)
        (guest.messageBytes, guest.outstandingReads, guest.extents) = (4097, 21, 22)
        let limits = DeviceLimits(configuration, limits: guest)
        #expect((limits.guests, limits.totalContexts) == (1, 2))
        #expect((limits.totalQueuePairs, limits.totalCompletionQueues) == (3, 4))
        #expect((limits.workRequestsPerTurn, limits.bytesPerTurn, limits.doorbellsPerTurn) == (5, 4096, 6))
        #expect((limits.contextsPerGuest, limits.protectionDomainsPerGuest) == (10, 11))
        #expect((limits.memoryRegionsPerGuest, limits.completionQueuesPerGuest) == (12, 13))
        #expect((limits.queuePairsPerGuest, limits.completionChannelsPerGuest) == (14, 15))
        #expect((limits.regionsPerGuest, limits.mappedBytesPerGuest) == (16, 1 << 21))
        #expect((limits.completionQueueEntries, limits.workRequestsPerQueue) == (17, 18))
        #expect((limits.scatterGatherElements, limits.inlineBytes, limits.messageBytes) == (19, 20, 4097))
        #expect((limits.outstandingReads, limits.extentsPerGuest) == (21, 22))
    }
}

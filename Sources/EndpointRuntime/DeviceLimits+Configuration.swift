import Endpoint
import Service

extension DeviceLimits {
    /// The limits of a configuration, for the endpoint as a whole or, with `limits`, for one guest.
    package init(_ configuration: EndpointConfiguration, limits: GuestLimits? = nil) {
        self.init()
        let guest = limits ?? configuration.limits
        guests = configuration.totals.guests
        totalContexts = configuration.totals.contexts
        totalQueuePairs = configuration.totals.queuePairs
        totalCompletionQueues = configuration.totals.completionQueues
        totalRegions = configuration.totals.sharedMemoryRegions
        contextsPerGuest = guest.contexts
        protectionDomainsPerGuest = guest.protectionDomains
        memoryRegionsPerGuest = guest.memoryRegions
        completionQueuesPerGuest = guest.completionQueues
        queuePairsPerGuest = guest.queuePairs
        completionChannelsPerGuest = guest.completionChannels
        regionsPerGuest = guest.sharedMemoryRegions
        mappedBytesPerGuest = UInt64(guest.mappedMemoryBytes)
        completionQueueEntries = UInt32(guest.completionQueueEntries)
        workRequestsPerQueue = UInt32(guest.workRequestsPerQueue)
        scatterGatherElements = UInt32(guest.scatterGatherElements)
        inlineBytes = UInt32(guest.inlineBytes)
        messageBytes = UInt64(guest.messageBytes)
        outstandingReads = UInt32(guest.outstandingReads)
        extentsPerGuest = guest.extents
        stitchedPiecesPerGuest = guest.stitchedPieces
        changesPerGuest = guest.connectsUnderWay
        workRequestsPerTurn = configuration.engine.workRequestsPerTurn
        bytesPerTurn = UInt64(configuration.engine.bytesPerTurn)
        doorbellsPerTurn = configuration.engine.doorbellsPerTurn
    }
}

/// What the endpoint gives out at most. Reaching a limit is an ordinary error of the command (`ENOMEM`).
package struct DeviceLimits: Sendable, Equatable {
    // Of the endpoint.
    package var guests = 256
    package var totalContexts = 4096
    package var totalQueuePairs = 65536
    package var totalCompletionQueues = 65536
    /// Each is a mapping of the endpoint, of which Linux permits 65,530 by default.
    package var totalRegions = 49152

    // Of each guest.
    package var contextsPerGuest = 256
    package var protectionDomainsPerGuest = 4096
    package var memoryRegionsPerGuest = 65536
    package var completionQueuesPerGuest = 16384
    package var queuePairsPerGuest = 16384
    package var completionChannelsPerGuest = 1024
    package var regionsPerGuest = 4096
    package var extentsPerGuest = 1 << 20
    /// Mappings for memory regions of several pieces that the host adapter's device sees as one.
    package var stitchedPiecesPerGuest = 2048
    /// Changes of queue pairs under way for which the host adapter's device looks for the peer; more wait.
    package var changesPerGuest = 4
    package var mappedBytesPerGuest: UInt64 = 64 << 30

    // Of one object.
    package var completionQueueEntries: UInt32 = 1 << 20
    package var workRequestsPerQueue: UInt32 = 1 << 15
    package var scatterGatherElements: UInt32 = 32
    package var inlineBytes: UInt32 = 512
    package var messageBytes: UInt64 = 1 << 31
    package var outstandingReads: UInt32 = 128
    package var extentsPerRegion: UInt32 = 1 << 14

    // Of one turn of the engine: of one queue pair and of one context.
    package var workRequestsPerTurn = 128
    package var bytesPerTurn: UInt64 = 1 << 20
    package var doorbellsPerTurn = 256
    // Of one turn of the engine: of one guest.
    package var queuePairsPerGuestTurn = 256
    package var contextsPerGuestTurn = 32
    package var workRequestsPerGuestTurn = 1024
    package var bytesPerGuestTurn: UInt64 = 4 << 20
    /// Polls without work after which a queue pair is no longer looked at without a doorbell.
    package var idlePollsPerQueuePair: UInt32 = 256

    package init() {}
}

/// What one guest may use at an endpoint. Reaching a limit is an ordinary error of the verb that asked (`ENOMEM`).
package struct GuestLimits: Hashable, Sendable {
    /// Open device contexts, one or more per application.
    package var contexts = 256
    /// Protection domains.
    package var protectionDomains = 4096
    /// Memory regions; a memory key has 24 bits of index (IBA 3.5.3), of which 0 is not used.
    package var memoryRegions = 65536
    /// Completion queues.
    package var completionQueues = 16384
    /// Entries of one completion queue.
    package var completionQueueEntries = 1 << 20
    /// Queue pairs; a queue pair number has 24 bits, of which 0 and 1 are reserved (IBA 3.5.1).
    package var queuePairs = 16384
    /// Work requests of one send or receive queue.
    package var workRequestsPerQueue = 32768
    /// Scatter/gather elements of one work request.
    package var scatterGatherElements = 32
    /// Bytes of inline data of one work request.
    package var inlineBytes = 512
    /// RDMA READs and atomics that a queue pair may have outstanding in each direction; 8 bits in the verbs' attributes.
    package var outstandingReads = 128
    /// Completion channels.
    package var completionChannels = 1024
    /// Shared-memory regions (memfds) mapped by the endpoint; each takes a file descriptor and a mapping of it.
    package var sharedMemoryRegions = 4096
    /// Pieces of shared memory of which all memory regions are made.
    package var extents = 1 << 20
    /// Mappings of the endpoint for memory regions of several pieces that a host's device sees as one.
    package var stitchedPieces = 2048
    /// Queue pairs that are being connected through a host's device at one time, while the kernel looks for their peers.
    package var connectsUnderWay = 4
    /// Bytes of the guest's memory that the endpoint maps at one time.
    package var mappedMemoryBytes = 64 << 30
    /// Bytes of one message; the transport's own limit is 2 GiB (IBA 9.3.3).
    package var messageBytes = 1 << 31

    /// Creates the default limits.
    package init() {}

    /// The keys of `[limits]`, also accepted in `[guest NAME]`.
    static let settings: [ConfigurationSetting<GuestLimits>] = [
        .count("contexts", \.contexts, in: 1...65536, isReloadable: true),
        .count("protection-domains", \.protectionDomains, in: 1...1_048_576, isReloadable: true),
        .count("memory-regions", \.memoryRegions, in: 1...16_777_215, isReloadable: true),
        .count("completion-queues", \.completionQueues, in: 1...1_048_576, isReloadable: true),
        .count("completion-queue-entries", \.completionQueueEntries, in: 1...4_194_304, isReloadable: true),
        .count("queue-pairs", \.queuePairs, in: 1...1_048_576, isReloadable: true),
        .count("work-requests", \.workRequestsPerQueue, in: 1...65536, isReloadable: true),
        .count("scatter-gather-elements", \.scatterGatherElements, in: 1...32, isReloadable: true),
        .size("inline-data", bytes: \.inlineBytes, in: 0...4096, isReloadable: true),
        .count("outstanding-reads", \.outstandingReads, in: 1...255, isReloadable: true),
        .count("completion-channels", \.completionChannels, in: 1...1_048_576, isReloadable: true),
        .count("shared-memory-regions", \.sharedMemoryRegions, in: 1...1_048_576, isReloadable: true),
        .count("extents", \.extents, in: 1...16_777_216, isReloadable: true),
        .count("stitched-pieces", \.stitchedPieces, in: 0...16_777_216, isReloadable: true),
        .count("connects-under-way", \.connectsUnderWay, in: 1...64, isReloadable: true),
        .size("mapped-memory", bytes: \.mappedMemoryBytes, in: (1 << 20)...(1 << 46), isReloadable: true),
        .size("message-size", bytes: \.messageBytes, in: 4096...(1 << 31), isReloadable: true),
    ]
}

/// What the adapter keeps room for. Reaching a limit is an ordinary error of the request (`ENOMEM`).
package struct VerbsAdapterLimits: Sendable, Equatable {
    /// The engine's queue pairs have indices below this; at most `RequestIdentifier.maximumQueuePairs`.
    package var queuePairs = 65536
    /// The engine's completion queues have indices below this.
    package var completionQueues = 65536
    /// Elements of one request.
    package var scatterGatherElements = 32
    /// Requests that are posted with one call.
    package var requestsPerBatch = 128
    /// Mappings that put regions of several pieces together, of all regions; Linux permits a process 65,530 in all.
    package var stitchedPieces = 8192
    /// Threads that wait for the link addresses of peers, one for each change of a queue pair under way.
    package var modificationThreads = 64
    /// Completions that are taken from one queue before the next one has its turn.
    package var completionsPerQueueTurn = 32
    /// Queues that are looked at in one poll; the next one goes on with the others.
    package var queuesPerPoll = 1024
    /// Polls without a completion after which a queue is no longer looked at, but waited for.
    package var idlePollsPerQueue: UInt32 = 1024
    /// So many queues are always looked at, however long they are quiet.
    package var alwaysPolledQueues = 16

    package init() {}
}

import MemoryTranslation
import Verbs

/// A guest: its address, its namespaces and what it owns. Used by commands; the data path reads tables only.
package final class Guest {
    package let identifier: UInt32
    package let name: String
    package let address: GID
    package let limits: DeviceLimits
    package let mappings: MappingTable
    package var queuePairNumbers: NumberNamespace
    package var contexts: Set<UInt32> = []
    package var protectionDomains: [UInt32: ProtectionDomain] = [:]
    package var channels: [UInt32: CompletionChannel] = [:]
    package var regions: [UInt32: Region] = [:]
    /// By memory key.
    package var memoryRegions: [UInt32: RegisteredMemory] = [:]
    package var completionQueueCount = 0
    /// Memory regions of which the host adapter has yet to say whether it could register them.
    package var pendingRegistrationCount = 0
    /// Changes of queue pairs that the host adapter has begun, and those that wait for their turn.
    package var beginningChanges = 0
    package var waitingChanges = TokenQueue()
    /// The host adapter has begun a registration of this guest's, and others wait for their turn.
    package var hasBegunRegistration = false
    package var waitingRegistrations = TokenQueue()
    package var extentCount = 0
    /// Mappings that the host adapter needs to put memory regions of several pieces together.
    package var stitchedPieceCount = 0
    package var mappedBytes: UInt64 = 0
    /// Its place among the engine's schedules.
    var schedule: UInt32 = 0
    package var nextHandle: UInt32 = 1
    package var counters = GuestCounters()

    package init(
        identifier: UInt32, name: String, address: GID, limits: DeviceLimits,
        keysFrom keySource: MappingTable.KeySource = .table
    ) {
        self.identifier = identifier
        self.name = name
        self.address = address
        self.limits = limits
        mappings = MappingTable(capacity: limits.memoryRegionsPerGuest, keysFrom: keySource)
        queuePairNumbers = NumberNamespace(limit: limits.queuePairsPerGuest)
    }

    /// The GID table: the link-local address, then the guest's own.
    package var addresses: [GID] {
        address.isLinkLocal ? [address] : [address.linkLocal, address]
    }

    /// Counts the pieces of a memory region against the guest's limits.
    func count(_ extents: [Extent]) {
        extentCount += extents.count
        stitchedPieceCount += Extent.stitchedCount(extents)
    }

    func uncount(_ extents: [Extent]) {
        extentCount -= extents.count
        stitchedPieceCount -= Extent.stitchedCount(extents)
    }

    /// A handle that no object of this guest has now.
    package func newHandle(isUsed: (UInt32) -> Bool) -> UInt32 {
        while nextHandle == 0 || isUsed(nextHandle) { nextHandle &+= 1 }
        defer { nextHandle &+= 1 }
        return nextHandle
    }
}

/// What is counted for each guest.
package struct GuestCounters: Sendable, Codable {
    package var commands: UInt64 = 0
    package var commandErrors: UInt64 = 0
    package var asyncEvents: UInt64 = 0
    package var violations: UInt64 = 0
    /// Of queue pairs that are gone; those of living ones are added when the status is asked for.
    package var workRequests: UInt64 = 0
    package var bytes: UInt64 = 0
}

import Verbs

/// The configuration of an endpoint (`vrdma-endpoint.conf(5)`).
package struct EndpointConfiguration: Sendable {
    /// Who may be a guest.
    package enum Admission: String, CaseIterable, Sendable {
        /// Any guest driver that may open the socket, under a name and address of its choice.
        case any
        /// Only the guests of `[guest NAME]` sections.
        case listed
    }

    /// A guest with a section of its own.
    package struct Guest: Hashable, Sendable {
        /// Its name.
        package var name: String
        /// Its address; nil leaves it to the guest driver.
        package var address: GID?
        /// The user whose processes may be this guest's driver.
        package var user: AccountName?
        /// The endpoint's limits with this guest's own in their place.
        package var limits: GuestLimits
        /// The line of its section.
        package var line: Int
    }

    /// The socket that guest drivers connect to.
    package var socketPath = "/run/vrdma/endpoint.sock"
    /// The socket that answers `vrdma status`.
    package var adminSocketPath = "/run/vrdma/endpoint-admin.sock"
    /// Owner, group and mode of the socket for guest drivers.
    package var socketAccess = SocketAccess()
    /// Permission bits of the socket that answers `vrdma status`; its owner and group are the other's.
    package var adminSocketMode: UInt32 = 0o660
    /// Who may be a guest.
    package var admission = Admission.any
    /// What all guests together may use.
    package var totals = EndpointTotals()
    /// The way to peers elsewhere.
    package var host = HostConfiguration()
    /// The log.
    package var log = LogConfiguration()
    /// The limits of each guest without limits of its own.
    package var limits = GuestLimits()
    /// The engine's turns.
    package var engine = EngineConfiguration()
    /// The guests with sections of their own, in the order of the file.
    package var guests: [Guest] = []

    /// Creates the default configuration.
    package init() {}

    /// The guest with a section of its own, if it has one.
    package func guest(named name: String) -> Guest? {
        guests.first { $0.name == name }
    }
}

/// What all guests of an endpoint together may use at one time.
package struct EndpointTotals: Hashable, Sendable {
    /// Guests.
    package var guests = 256
    /// Open device contexts.
    package var contexts = 4096
    /// Queue pairs.
    package var queuePairs = 65536
    /// Completion queues.
    package var completionQueues = 65536
    /// Shared-memory regions: mappings of the endpoint, of which Linux permits 65,530 by default (vm.max_map_count).
    package var sharedMemoryRegions = 49152

    /// Creates the default totals.
    package init() {}

    static let settings: [ConfigurationSetting<EndpointTotals>] = [
        .count("maximum-guests", \.guests, in: 1...65535, isReloadable: true),
        .count("maximum-contexts", \.contexts, in: 1...1_048_576),
        .count("maximum-queue-pairs", \.queuePairs, in: 1...16_777_214),
        .count("maximum-completion-queues", \.completionQueues, in: 1...16_777_214),
        .count("maximum-shared-memory-regions", \.sharedMemoryRegions, in: 1...16_777_216),
    ]
}

/// How the endpoint's engine divides its time.
package struct EngineConfiguration: Hashable, Sendable {
    /// Work requests of one queue pair in one turn, so that none can keep the others waiting.
    package var workRequestsPerTurn = 128
    /// Bytes moved for one queue pair in one turn.
    package var bytesPerTurn = 1 << 20
    /// Doorbells of one context looked at in one turn.
    package var doorbellsPerTurn = 256
    /// Time without work after which the engine sleeps until a doorbell wakes it.
    package var idleSpinNanoseconds = 50000

    /// Creates the default turns.
    package init() {}

    static let settings: [ConfigurationSetting<EngineConfiguration>] = [
        .count("work-requests-per-turn", \.workRequestsPerTurn, in: 1...65536),
        .size("bytes-per-turn", bytes: \.bytesPerTurn, in: 4096...(1 << 30)),
        .count("doorbells-per-turn", \.doorbellsPerTurn, in: 1...131_072),
        .duration("idle-spin", nanoseconds: \.idleSpinNanoseconds, in: 0...1_000_000_000),
    ]
}

import Verbs

/// What a host device offers, in the terms of ibv_query_device(3).
package struct HostDeviceAttributes: Sendable, Equatable {
    /// The device's name: `rxe0`.
    package var deviceName = ""
    package var queuePairs = 0
    package var workRequestsPerQueue: UInt32 = 0
    package var scatterGatherElements: UInt32 = 0
    package var inlineBytes: UInt32 = 0
    package var completionQueues = 0
    package var completionQueueEntries: UInt32 = 0
    package var protectionDomains = 0
    package var memoryRegions = 0
    package var memoryRegionBytes: UInt64 = 0
    /// RDMA READs and atomics that a queue pair may have outstanding as requester, and as responder.
    package var outstandingReadsAsRequester: UInt32 = 0
    package var outstandingReadsAsResponder: UInt32 = 0
    /// Of all queue pairs together, as responders.
    package var outstandingReadsOfAll: UInt32 = 0
    /// As `enum ibv_atomic_cap`: 0 none, 1 among the device's own, 2 also towards processors.
    package var atomicCapability: UInt32 = 0
    /// As `enum ibv_device_cap_flags`.
    package var capabilityFlags: UInt32 = 0
    package var vendorIdentifier: UInt32 = 0
    package var vendorPartIdentifier: UInt32 = 0
    package var hardwareVersion: UInt32 = 0

    package init() {}
}

/// A host device's port, in the terms of ibv_query_port(3).
package struct HostPortAttributes: Sendable, Equatable {
    /// As `enum ibv_port_state`; 4 is active, 1 down.
    package var state: UInt32 = 1
    /// As `enum ibv_mtu`.
    package var largestMTU: UInt32 = 0
    package var activeMTU: UInt32 = 0
    package var messageBytes: UInt32 = 0
    package var activeSpeed: UInt32 = 0
    package var activeWidth: UInt32 = 0
    package var physicalState: UInt32 = 0
    /// As `IBV_LINK_LAYER_…`: 1 InfiniBand, 2 Ethernet.
    package var linkLayer: UInt32 = 0
    /// The addresses that the device has, in the order of its GID table, without empty entries.
    package var addresses: [GID] = []

    package init() {}

    package var isActive: Bool { state == 4 }
}

/// What a queue pair on the host device needs (struct ibv_qp_init_attr).
package struct HostQueuePairShape: Sendable, Equatable {
    package var domain: HostHandle
    package var sendCompletionQueue: UInt32
    package var receiveCompletionQueue: UInt32
    package var sendEntries: UInt32
    package var receiveEntries: UInt32
    package var sendElements: UInt32
    package var receiveElements: UInt32
    package var inlineBytes: UInt32
    package var signalsAll: Bool

    package init(
        domain: HostHandle, sendCompletionQueue: UInt32, receiveCompletionQueue: UInt32, sendEntries: UInt32,
        receiveEntries: UInt32, sendElements: UInt32, receiveElements: UInt32, inlineBytes: UInt32, signalsAll: Bool
    ) {
        self.domain = domain
        self.sendCompletionQueue = sendCompletionQueue
        self.receiveCompletionQueue = receiveCompletionQueue
        self.sendEntries = sendEntries
        self.receiveEntries = receiveEntries
        self.sendElements = sendElements
        self.receiveElements = receiveElements
        self.inlineBytes = inlineBytes
        self.signalsAll = signalsAll
    }
}

internal import CVRDMAABI
internal import Provider
internal import SharedMemory

/// What a device offers (ibv_query_device(3)). Counts are limits of the guest, unless they say otherwise.
public struct DeviceAttributes: Hashable, Sendable {
    /// The name of the guest.
    public var guestName: String
    /// The endpoint's number for the guest.
    public var guestIdentifier: UInt32
    /// The node GUID (EUI-64), as a number in host byte order.
    public var nodeGUID: UInt64
    /// Bytes that one memory region may have.
    public var maxMemoryRegionBytes: UInt64
    /// Queue pairs.
    public var maxQueuePairs: UInt32
    /// Work requests of one send or receive queue.
    public var maxWorkRequests: UInt32
    /// Scatter/gather elements of one work request.
    public var maxElements: UInt32
    /// Bytes of inline data of one work request.
    public var maxInlineBytes: UInt32
    /// Completion queues.
    public var maxCompletionQueues: UInt32
    /// Entries of one completion queue.
    public var maxCompletionQueueEntries: UInt32
    /// Memory regions.
    public var maxMemoryRegions: UInt32
    /// Protection domains.
    public var maxProtectionDomains: UInt32
    /// RDMA READs and atomic operations that one queue pair may have outstanding as their target.
    public var maxReadAtomic: UInt32
    /// RDMA READs and atomic operations that one queue pair may have outstanding as their requester.
    public var maxInitiatorReadAtomic: UInt32
    /// Entries of a port's GID table.
    public var gidTableEntries: UInt32
    /// Ports, which count from 1.
    public var portCount: UInt32
    /// READs and atomic operations that all queue pairs may have outstanding as their target.
    public var maxTotalReadAtomic: UInt32
    /// Towards whom atomic operations are atomic.
    public var atomicCapability: AtomicCapability
    /// As `enum ibv_device_cap_flags`.
    public var capabilityFlags: UInt32
    /// The pages that it can map: bit n stands for pages of 2^n bytes.
    public var pageSizes: UInt64
    /// The vendor, as IEEE numbers it.
    public var vendorIdentifier: UInt32
    /// The vendor's number for the part.
    public var vendorPartIdentifier: UInt32
    /// The version of the hardware.
    public var hardwareVersion: UInt32

    /// Atomic operations are atomic towards the processors, too (`IBV_ATOMIC_GLOB`).
    public var hasGlobalAtomics: Bool { atomicCapability == .global }

    init(_ reply: vrdma_query_device_reply) {
        guestName = FixedText.read(reply.guest_name)
        guestIdentifier = reply.guest_id
        nodeGUID = UInt64(bigEndian: reply.node_guid)
        maxMemoryRegionBytes = reply.max_mr_size_bytes
        maxQueuePairs = reply.max_qp
        maxWorkRequests = reply.max_qp_wr
        maxElements = reply.max_sge
        maxInlineBytes = reply.max_inline_bytes
        maxCompletionQueues = reply.max_cq
        maxCompletionQueueEntries = reply.max_cqe
        maxMemoryRegions = reply.max_mr
        maxProtectionDomains = reply.max_pd
        maxReadAtomic = reply.max_qp_rd_atom
        maxInitiatorReadAtomic = reply.max_qp_init_rd_atom
        gidTableEntries = reply.gid_table_entries
        portCount = reply.port_count
        maxTotalReadAtomic = reply.max_res_rd_atom
        atomicCapability = AtomicCapability(rawValue: reply.atomic_capability)
        capabilityFlags = reply.device_cap_flags
        pageSizes = reply.page_size_cap
        vendorIdentifier = reply.vendor_id
        vendorPartIdentifier = reply.vendor_part_id
        hardwareVersion = reply.hardware_version
    }
}

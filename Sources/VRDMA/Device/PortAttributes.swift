internal import CVRDMAABI

/// The largest payload of a packet; the values of `enum ibv_mtu` (ibv_query_port(3)).
public enum PathMTU: UInt32, BitwiseCopyable, Hashable, Sendable, CaseIterable {
    /// 256 bytes.
    case bytes256 = 1
    /// 512 bytes.
    case bytes512 = 2
    /// 1024 bytes.
    case bytes1024 = 3
    /// 2048 bytes.
    case bytes2048 = 4
    /// 4096 bytes, the most.
    case bytes4096 = 5

    /// The size in bytes.
    public var byteCount: Int { 128 << Int(rawValue) }
}

/// What a port is (ibv_query_port(3)).
public struct PortAttributes: Hashable, Sendable {
    /// What it is able to do now.
    public var state: PortState
    /// The state of its link, as `struct ibv_port_attr` has it: 5 is up, 3 disabled.
    public var physicalState: UInt32
    /// The largest MTU that it can have.
    public var maxMTU: PathMTU
    /// The MTU that it has.
    public var activeMTU: PathMTU
    /// Bytes of the longest message.
    public var maxMessageBytes: UInt32
    /// Entries of its GID table.
    public var gidTableEntries: UInt32
    /// Entries of its P_Key table.
    public var partitionKeyTableEntries: UInt32
    /// The speed of a lane, as `struct ibv_port_attr` has it: 1 is 2.5 Gbit/s, 32 is 25 Gbit/s.
    public var activeSpeed: UInt32
    /// The lanes, as `struct ibv_port_attr` has them: 1 is one, 2 is four.
    public var activeWidth: UInt32
    /// What it is connected by.
    public var linkLayer: LinkLayer
    /// As `enum ibv_port_cap_flags`.
    public var capabilityFlags: UInt32

    /// The port can carry data (`IBV_PORT_ACTIVE`).
    public var isActive: Bool { state == .active }

    init(_ reply: vrdma_query_port_reply) {
        state = PortState(rawValue: reply.state)
        physicalState = reply.physical_state
        maxMTU = PathMTU(rawValue: reply.max_mtu) ?? .bytes1024
        activeMTU = PathMTU(rawValue: reply.active_mtu) ?? .bytes1024
        maxMessageBytes = reply.max_message_bytes
        gidTableEntries = reply.gid_table_entries
        partitionKeyTableEntries = reply.pkey_table_entries
        activeSpeed = reply.active_speed
        activeWidth = reply.active_width
        linkLayer = LinkLayer(rawValue: reply.link_layer)
        capabilityFlags = reply.port_cap_flags
    }
}

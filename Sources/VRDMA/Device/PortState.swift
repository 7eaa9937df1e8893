/// What a port is able to do now; the values of `enum ibv_port_state` (ibv_query_port(3)).
public struct PortState: RawRepresentable, BitwiseCopyable, Hashable, Sendable {
    /// As the enumeration has it.
    public let rawValue: UInt32

    /// From the number of the enumeration.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// It carries nothing.
    public static let down = PortState(rawValue: 1)
    /// It carries management only.
    public static let initialize = PortState(rawValue: 2)
    /// It waits for its manager.
    public static let armed = PortState(rawValue: 3)
    /// It carries data.
    public static let active = PortState(rawValue: 4)
    /// It carried data and waits for its link.
    public static let activeDeferred = PortState(rawValue: 5)
}

/// What a port is connected by; the values of `IBV_LINK_LAYER_…` (ibv_query_port(3)).
public struct LinkLayer: RawRepresentable, BitwiseCopyable, Hashable, Sendable {
    /// As the header has it.
    public let rawValue: UInt32

    /// From the number of the header.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// The device does not tell.
    public static let unspecified = LinkLayer(rawValue: 0)
    /// InfiniBand.
    public static let infiniBand = LinkLayer(rawValue: 1)
    /// Ethernet, as RoCE has it.
    public static let ethernet = LinkLayer(rawValue: 2)
}

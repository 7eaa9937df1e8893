internal import CVRDMAABI

/// Attributes of a queue pair (`struct ibv_qp_attr`, ibv_modify_qp(3), IBA 11.2.5.2). Those that are nil stay as they
/// are; which ones a transition must and may have stands in the manual page.
public struct QueuePairAttributes: Hashable, Sendable {
    /// The way to the peer (`struct ibv_ah_attr`).
    public struct Path: Hashable, Sendable {
        /// The peer's address.
        public var destination: GID
        /// The index of the own address in the GID table.
        public var sourceIndex: UInt8
        /// The port that it leaves by.
        public var port: UInt8
        /// The hop limit of its packets.
        public var hopLimit: UInt8
        /// The traffic class of its packets.
        public var trafficClass: UInt8
        /// The flow label of its packets, 20 bits.
        public var flowLabel: UInt32
        /// The service level, 4 bits.
        public var serviceLevel: UInt8

        /// The way to an address.
        public init(
            destination: GID, sourceIndex: UInt8, port: UInt8 = 1, hopLimit: UInt8 = 64, trafficClass: UInt8 = 0,
            flowLabel: UInt32 = 0, serviceLevel: UInt8 = 0
        ) {
            self.destination = destination
            self.sourceIndex = sourceIndex
            self.port = port
            self.hopLimit = hopLimit
            self.trafficClass = trafficClass
            self.flowLabel = flowLabel
            self.serviceLevel = serviceLevel
        }
    }

    /// The state to change to.
    public var state: QueuePairState?
    /// The state that the caller believes it to be in; the call fails when it is another.
    public var currentState: QueuePairState?
    /// Tells of the end of draining by an event, when the state becomes `sendQueueDrained`.
    public var notifiesWhenDrained: Bool?
    /// What peers may do: `remoteWrite`, `remoteRead`, `remoteAtomic`; and `localWrite`.
    public var access: AccessFlags?
    /// The index in the P_Key table.
    public var partitionKeyIndex: UInt16?
    /// The port.
    public var port: UInt8?
    /// The way to the peer.
    public var path: Path?
    /// The size of packets.
    public var mtu: PathMTU?
    /// The peer's queue pair.
    public var destination: QueuePairNumber?
    /// The first PSN that is expected from the peer.
    public var receivePSN: PacketSequenceNumber?
    /// The first PSN that is sent.
    public var sendPSN: PacketSequenceNumber?
    /// The local ACK timeout, encoded: 4.096 µs × 2^n, 0 waits for ever (`Timers`).
    public var timeout: UInt8?
    /// Repetitions after a timeout or a lost packet, 0 to 7.
    public var retryCount: UInt8?
    /// Repetitions when the peer has no receive request, 0 to 6; 7 never gives up.
    public var receiverNotReadyRetryCount: UInt8?
    /// The time that a peer waits when this side has no receive request, encoded (`Timers`).
    public var receiverNotReadyTimer: UInt8?
    /// Outstanding READs and atomic operations of this side.
    public var maxReadAtomic: UInt8?
    /// Outstanding READs and atomic operations of the peer.
    public var maxDestinationReadAtomic: UInt8?

    /// Attributes that change nothing; assign those that shall.
    public init() {}

    /// A change of state.
    public init(state: QueuePairState) {
        self.state = state
    }
}

extension QueuePairAttributes {
    /// The bits of `enum ibv_qp_attr_mask`.
    private enum Bit {
        static let state: UInt32 = 1 << 0
        static let currentState: UInt32 = 1 << 1
        static let notifiesWhenDrained: UInt32 = 1 << 2
        static let access: UInt32 = 1 << 3
        static let partitionKeyIndex: UInt32 = 1 << 4
        static let port: UInt32 = 1 << 5
        static let path: UInt32 = 1 << 7
        static let mtu: UInt32 = 1 << 8
        static let timeout: UInt32 = 1 << 9
        static let retryCount: UInt32 = 1 << 10
        static let receiverNotReadyRetryCount: UInt32 = 1 << 11
        static let receivePSN: UInt32 = 1 << 12
        static let maxReadAtomic: UInt32 = 1 << 13
        static let receiverNotReadyTimer: UInt32 = 1 << 15
        static let sendPSN: UInt32 = 1 << 16
        static let maxDestinationReadAtomic: UInt32 = 1 << 17
        static let destination: UInt32 = 1 << 20
    }

    /// What goes to the endpoint.
    var command: vrdma_qp_attributes {
        var result = vrdma_qp_attributes()
        func set<Value>(_ value: Value?, _ bit: UInt32, _ assign: (Value, inout vrdma_qp_attributes) -> Void) {
            guard let value else { return }
            result.attribute_mask |= bit
            assign(value, &result)
        }
        set(state, Bit.state) { $1.qp_state = $0.rawValue }
        set(currentState, Bit.currentState) { $1.current_qp_state = $0.rawValue }
        set(notifiesWhenDrained, Bit.notifiesWhenDrained) { $1.enable_sqd_async_notify = $0 ? 1 : 0 }
        set(access, Bit.access) { $1.access_flags = $0.rawValue }
        set(partitionKeyIndex, Bit.partitionKeyIndex) { $1.pkey_index = $0 }
        set(port, Bit.port) { $1.port_number = $0 }
        set(path, Bit.path) { $1.path = $0 }
        set(mtu, Bit.mtu) { $1.path_mtu = $0.rawValue }
        set(destination, Bit.destination) { $1.destination_qp_number = $0.rawValue }
        set(receivePSN, Bit.receivePSN) { $1.rq_psn = $0.rawValue }
        set(sendPSN, Bit.sendPSN) { $1.sq_psn = $0.rawValue }
        set(timeout, Bit.timeout) { $1.timeout = $0 }
        set(retryCount, Bit.retryCount) { $1.retry_count = $0 }
        set(receiverNotReadyRetryCount, Bit.receiverNotReadyRetryCount) { $1.rnr_retry = $0 }
        set(receiverNotReadyTimer, Bit.receiverNotReadyTimer) { $1.min_rnr_timer = $0 }
        set(maxReadAtomic, Bit.maxReadAtomic) { $1.max_rd_atomic = $0 }
        set(maxDestinationReadAtomic, Bit.maxDestinationReadAtomic) { $1.max_destination_rd_atomic = $0 }
        return result
    }

    /// What the endpoint answered: all attributes.
    init(_ answer: vrdma_qp_attributes) {
        state = QueuePairState(rawValue: answer.qp_state)
        currentState = QueuePairState(rawValue: answer.current_qp_state)
        notifiesWhenDrained = answer.enable_sqd_async_notify != 0
        access = AccessFlags(rawValue: answer.access_flags)
        partitionKeyIndex = answer.pkey_index
        port = answer.port_number
        path = answer.path
        mtu = PathMTU(rawValue: answer.path_mtu)
        destination = QueuePairNumber(rawValue: answer.destination_qp_number)
        receivePSN = PacketSequenceNumber(rawValue: answer.rq_psn)
        sendPSN = PacketSequenceNumber(rawValue: answer.sq_psn)
        timeout = answer.timeout
        retryCount = answer.retry_count
        receiverNotReadyRetryCount = answer.rnr_retry
        receiverNotReadyTimer = answer.min_rnr_timer
        maxReadAtomic = answer.max_rd_atomic
        maxDestinationReadAtomic = answer.max_destination_rd_atomic
    }
}

extension vrdma_qp_attributes {
    /// The address vector. A path of RoCE always has a global route header (IBA A17.4.5).
    fileprivate var path: QueuePairAttributes.Path {
        get {
            QueuePairAttributes.Path(
                destination: GID(destination_gid), sourceIndex: source_gid_index, port: address_port_number,
                hopLimit: hop_limit, trafficClass: traffic_class, flowLabel: flow_label, serviceLevel: service_level)
        }
        set {
            withUnsafeMutableBytes(of: &destination_gid) { bytes in
                let words = newValue.destination.networkOrderWords
                bytes.storeBytes(of: words.0, as: UInt64.self)
                bytes.storeBytes(of: words.1, toByteOffset: 8, as: UInt64.self)
            }
            is_global = 1
            source_gid_index = newValue.sourceIndex
            address_port_number = newValue.port
            hop_limit = newValue.hopLimit
            traffic_class = newValue.trafficClass
            flow_label = newValue.flowLabel
            service_level = newValue.serviceLevel
        }
    }
}

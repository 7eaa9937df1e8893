/// From RESET to a connection (IBA 10.3.1).
extension QueuePair {
    /// What a peer needs to know of a queue pair in order to connect to it. Both sides exchange it by other means, as
    /// the text of `description` or part by part.
    public struct Endpoint: Hashable, Sendable {
        /// The address of its guest.
        public var address: GID
        /// Its number.
        public var number: QueuePairNumber
        /// The first PSN that it sends.
        public var psn: PacketSequenceNumber

        /// Names a queue pair.
        public init(address: GID, number: QueuePairNumber, psn: PacketSequenceNumber) {
            self.address = address
            self.number = number
            self.psn = psn
        }
    }

    /// How a connection is made, where the defaults do not suit.
    public struct ConnectionOptions: Hashable, Sendable {
        /// What the peer may do. Atomic operations are left out where the device has none.
        public var access: AccessFlags = [.localWrite, .remoteWrite, .remoteRead, .remoteAtomic]
        /// The size of packets, the same at both ends; nil takes what the port has.
        public var mtu: PathMTU?
        /// The port.
        public var port: UInt8 = 1
        /// The index of the own address in the GID table; nil finds that of the guest.
        public var sourceIndex: UInt8?
        /// The local ACK timeout, encoded (`Timers`); 14 is 67 ms.
        public var timeout: UInt8 = 14
        /// Repetitions after a timeout, 0 to 7.
        public var retryCount: UInt8 = 7
        /// Repetitions when the peer has no receive request, 0 to 6; 7 never gives up.
        public var receiverNotReadyRetryCount: UInt8 = 7
        /// The time that the peer waits when this side has no receive request, encoded (`Timers`); 12 is 0.64 ms.
        public var receiverNotReadyTimer: UInt8 = 12
        /// Outstanding READs and atomic operations in each direction, at most what the device offers.
        public var maxReadAtomic: UInt8 = 16
        /// The P_Key's index.
        public var partitionKeyIndex: UInt16 = 0

        /// The defaults.
        public init() {}
    }

    /// What the peer needs to know of this queue pair.
    public var endpoint: Endpoint { Endpoint(address: domain.device.address, number: number, psn: initialPSN) }

    /// RESET to INIT, from where on receive requests can be posted. `connect` does it if it was not done before; do it
    /// to post receive requests before the peer can send.
    ///
    /// - Throws: as `modify`.
    public func initialize(_ options: ConnectionOptions = ConnectionOptions()) throws(VerbsError) {
        var attributes = QueuePairAttributes(state: .initialized)
        attributes.access = options.access
        if domain.device.attributes.atomicCapability == .none { attributes.access?.remove(.remoteAtomic) }
        attributes.port = options.port
        attributes.partitionKeyIndex = options.partitionKeyIndex
        try modify(attributes)
    }

    /// Connects to a peer that does the same: from RESET or INIT over RTR to RTS.
    ///
    /// - Throws: as `modify`; `ENETUNREACH` when nothing leads to the peer's address.
    public func connect(to peer: Endpoint, _ options: ConnectionOptions = ConnectionOptions()) throws(VerbsError) {
        if state == .reset { try initialize(options) }
        let device = domain.device
        let readAtomic = UInt32(options.maxReadAtomic)
        let sourceIndex: UInt8
        if let chosen = options.sourceIndex {
            sourceIndex = chosen
        } else {
            sourceIndex = try device.ownAddressIndex(options.port)
        }
        var receiving = QueuePairAttributes(state: .readyToReceive)
        receiving.path = QueuePairAttributes.Path(
            destination: peer.address, sourceIndex: sourceIndex, port: options.port)
        receiving.mtu = if let mtu = options.mtu { mtu } else { try device.port(options.port).activeMTU }
        receiving.destination = peer.number
        receiving.receivePSN = peer.psn
        receiving.maxDestinationReadAtomic = UInt8(clamping: min(readAtomic, device.attributes.maxReadAtomic))
        receiving.receiverNotReadyTimer = options.receiverNotReadyTimer
        try modify(receiving)
        var sending = QueuePairAttributes(state: .readyToSend)
        sending.sendPSN = initialPSN
        sending.timeout = options.timeout
        sending.retryCount = options.retryCount
        sending.receiverNotReadyRetryCount = options.receiverNotReadyRetryCount
        sending.maxReadAtomic = UInt8(clamping: min(readAtomic, device.attributes.maxInitiatorReadAtomic))
        try modify(sending)
    }
}

extension QueuePair.Endpoint: LosslessStringConvertible {
    /// From the text of `description`; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, let address = GID(String(parts[0])), let number = UInt32(parts[1]),
            let psn = UInt32(parts[2]), number <= 0xff_ffff, psn <= 0xff_ffff
        else { return nil }
        self.init(
            address: address, number: QueuePairNumber(rawValue: number), psn: PacketSequenceNumber(rawValue: psn))
    }

    /// Address, number and PSN: `10.0.0.1/17/1193046`.
    public var description: String { "\(address)/\(number)/\(psn.rawValue)" }
}

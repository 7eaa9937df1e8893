import CVRDMAABI
import SharedMemory
import Verbs

/// Changes of a queue pair's state and attributes (IBA 11.2.5.2, ibv_modify_qp(3)).
extension Device {
    private typealias Mask = QueuePairTransition.AttributeMask

    /// Changes a queue pair. Nil when the host adapter's device has to look for the peer, and the reply comes when it has
    /// found it.
    func modifyQueuePair(_ command: vrdma_message, guest: Guest) throws(Errno) -> vrdma_message? {
        let request = try payload(command, as: vrdma_modify_qp_command.self)
        let index = try queuePair(request.qp_number, context: command.context, guest: guest)
        guard !queuePairs[index].isChanging else { throw .busy }
        let new = request.attributes
        let mask = Mask(rawValue: new.attribute_mask)
        let current = queuePairs[index].state
        if mask.contains(.currentState), new.current_qp_state != current.rawValue { throw .invalidArgument }
        guard let next = mask.contains(.state) ? QueuePairState(rawValue: new.qp_state) : current,
            let rule = QueuePairTransition.reliableConnection(from: current, to: next), rule.permits(mask)
        else { throw .invalidArgument }
        try check(new, mask: mask, guest: guest)
        let source = sourceAddress(mask.contains(.addressVector) ? new : queuePairs[index].attributes, guest: guest)
        var path = queuePairs[index].path
        if next == .readyToReceive { path = try choosePath(index, to: destination(new), from: source, guest: guest) }
        if try modifyOnHost(index, command, new, from: current, to: next, path: path, source: source) { return nil }
        change(index, new, from: current, to: next, path: path)
        return command.reply()
    }

    /// Makes a change that was checked, and that the host adapter's device has made if it had to.
    func change(
        _ index: UInt32, _ new: vrdma_qp_attributes, from current: QueuePairState, to next: QueuePairState,
        path: QueuePair.Path
    ) {
        let mask = Mask(rawValue: new.attribute_mask)
        queuePairs[index].path = path
        store(new, mask: mask, in: index)
        if current == .readyToSend, next == .sendQueueDrained, !mask.contains(.enableSQDNotify) {
            // The wish to be told was of an earlier drain.
            queuePairs[index].attributes.enable_sqd_async_notify = 0
        }
        switch (current, next) {
        case (_, .reset): reset(index)
        case (_, .error): if current != .error { enterError(index) }
        default: enter(next, from: current, index)
        }
    }

    private func enter(_ next: QueuePairState, from current: QueuePairState, _ index: UInt32) {
        setState(index, next)
        switch next {
        case .readyToReceive:
            queuePairs[index].hasCommunicationEstablished = false
            if queuePairs[index].path == .host { activate(index) } else { wakePeerWaiting(for: index) }
        case .readyToSend:
            queuePairs[index].isDraining = false
            activate(index)
        case .sendQueueDrained:
            if current == .readyToSend { beginDraining(index) }
            activate(index)
        default: break
        }
    }

    /// A request that is partly done, or waits for its peer, has begun and will be finished (IBA 10.3.1.5).
    private func beginDraining(_ index: UInt32) {
        let hasBegun = queuePairs[index].bytesDone > 0 || queuePairs[index].wait != .none
        queuePairs[index].isDraining = true
        queuePairs[index].drainEnd = queuePairs[index].sendHead &+ (hasBegun ? 1 : 0)
    }

    /// Back to the state after creation; what the queues hold is forgotten without completions.
    private func reset(_ index: UInt32) {
        setState(index, .reset)
        queuePairs[index].path = .none
        queuePairs[index].sendForwarded = 0
        queuePairs[index].receiveForwarded = 0
        queuePairs[index].refusedStatus = .success
        queuePairs[index].peerGuest = 0
        queuePairs[index].wait = .none
        queuePairs[index].bytesDone = 0
        queuePairs[index].isDraining = false
        queuePairs[index].waiterForReceive = 0
        queuePairs[index].sendHead = 0
        queuePairs[index].receiveHead = 0
        queuePairs[index].knownReceiveTail = 0
        queuePairs[index].access = []
        queuePairs[index].destination = .zero
        queuePairs[index].attributes = vrdma_qp_attributes()
        queuePairs[index].send.head.release(0)
        if queuePairs[index].receive.entryCount > 0 {
            queuePairs[index].receive.head.release(0)
            queuePairs[index].receive.doorbellWanted.storeRelaxed(0)
        }
    }

    private func check(_ new: vrdma_qp_attributes, mask: Mask, guest: Guest) throws(Errno) {
        let limits = guest.limits
        let isValid =
            (!mask.contains(.port) || new.port_number == 1)
            && (!mask.contains(.pkeyIndex) || new.pkey_index == 0)
            && (!mask.contains(.pathMTU) || (1...5).contains(new.path_mtu))
            && (!mask.contains(.timeout) || new.timeout < 32)
            && (!mask.contains(.retryCount) || new.retry_count < 8)
            && (!mask.contains(.rnrRetry) || new.rnr_retry < 8)
            && (!mask.contains(.minRNRTimer) || new.min_rnr_timer < 32)
            && (!mask.contains(.maxReadAtomic) || UInt32(new.max_rd_atomic) <= limits.outstandingReads)
            && (!mask.contains(.maxDestinationReadAtomic)
                || UInt32(new.max_destination_rd_atomic) <= limits.outstandingReads)
            && (!mask.contains(.accessFlags)
                || AccessFlags(rawValue: new.access_flags).isSubset(
                    of: [.localWrite, .remoteWrite, .remoteRead, .remoteAtomic, .memoryWindowBind]))
            // RoCE has no path but by address (IBA A17.4.5).
            && (!mask.contains(.addressVector)
                || (new.is_global == 1 && Int(new.source_gid_index) < guest.addresses.count
                    && new.address_port_number == 1))
            // There is no automatic path migration.
            && mask.isDisjoint(with: [.alternatePath, .pathMigrationState])
        guard isValid else { throw .invalidArgument }
    }

    private func sourceAddress(_ attributes: vrdma_qp_attributes, guest: Guest) -> GID {
        let addresses = guest.addresses
        let index = Int(attributes.source_gid_index)
        return index < addresses.count ? addresses[index] : guest.address
    }

    func destination(_ attributes: vrdma_qp_attributes) -> GID {
        withUnsafeBytes(of: attributes.destination_gid) {
            GID(bytes: ($0.load(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        }
    }

    private func store(_ new: vrdma_qp_attributes, mask: Mask, in index: UInt32) {
        var kept = queuePairs[index].attributes
        if mask.contains(.accessFlags) {
            kept.access_flags = new.access_flags
            queuePairs[index].access = AccessFlags(rawValue: new.access_flags)
        }
        if mask.contains(.pkeyIndex) { kept.pkey_index = new.pkey_index }
        if mask.contains(.port) { kept.port_number = new.port_number }
        if mask.contains(.addressVector) {
            kept.destination_gid = new.destination_gid
            kept.flow_label = new.flow_label
            kept.destination_lid = new.destination_lid
            kept.source_gid_index = new.source_gid_index
            kept.hop_limit = new.hop_limit
            kept.traffic_class = new.traffic_class
            kept.service_level = new.service_level
            kept.source_path_bits = new.source_path_bits
            kept.static_rate = new.static_rate
            kept.is_global = new.is_global
            kept.address_port_number = new.address_port_number
            queuePairs[index].destination = destination(new)
        }
        if mask.contains(.pathMTU) {
            kept.path_mtu = new.path_mtu
            queuePairs[index].mtuShift = new.path_mtu + 7
        }
        if mask.contains(.destinationQueuePair) { kept.destination_qp_number = new.destination_qp_number & 0xff_ffff }
        if mask.contains(.receivePSN) { queuePairs[index].receivePSN = PacketSequenceNumber(rawValue: new.rq_psn) }
        if mask.contains(.sendPSN) { queuePairs[index].sendPSN = PacketSequenceNumber(rawValue: new.sq_psn) }
        if mask.contains(.timeout) { kept.timeout = new.timeout }
        if mask.contains(.retryCount) { kept.retry_count = new.retry_count }
        if mask.contains(.rnrRetry) { kept.rnr_retry = new.rnr_retry }
        if mask.contains(.minRNRTimer) { kept.min_rnr_timer = new.min_rnr_timer }
        if mask.contains(.maxReadAtomic) { kept.max_rd_atomic = new.max_rd_atomic }
        if mask.contains(.maxDestinationReadAtomic) {
            kept.max_destination_rd_atomic = new.max_destination_rd_atomic
        }
        if mask.contains(.enableSQDNotify) { kept.enable_sqd_async_notify = new.enable_sqd_async_notify }
        queuePairs[index].attributes = kept
    }
}

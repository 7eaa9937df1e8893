import CVRDMAABI
import MemoryTranslation
import SharedMemory
import Verbs

/// Changes of state and attributes of queue pairs that the host adapter has a counterpart of.
extension Device {
    /// The path to a destination.
    ///
    /// Throws `ENETUNREACH` when the destination is no guest of this endpoint and there is no host adapter, `ENETDOWN`
    /// when its device is away, or was when the queue pair was made, and `EADDRNOTAVAIL` when it does not have the
    /// guest's address.
    func choosePath(
        _ index: UInt32, to destination: GID, from source: GID, guest: Guest
    ) throws(Errno) -> QueuePair.Path {
        let isLocal = guestsByAddress[destination] != nil
        guard let host else {
            guard isLocal else { throw .networkUnreachable }
            return .local
        }
        if isLocal, host.usesLocalPath { return .local }
        guard host.adapter.isAvailable, queuePairs[index].hasHostObject else { throw .networkDown }
        guard host.adapter.hasAddress(source) else {
            outputs.append(.addressMissing(guest: guest.name, address: source))
            throw .addressNotAvailable
        }
        return .host
    }

    /// Changes the device's counterpart, before anything is changed here. The device may refuse. True when the change has
    /// begun, and its answer comes later: one that names a peer.
    ///
    /// The counterpart of a queue pair on the local path stays in the INIT state.
    func modifyOnHost(
        _ index: UInt32, _ command: vrdma_message, _ attributes: vrdma_qp_attributes, from current: QueuePairState,
        to next: QueuePairState,
        path: QueuePair.Path, source: GID
    ) throws(Errno) -> Bool {
        guard let host, queuePairs[index].hasHostObject else { return false }
        switch next {
        case .reset where current == .reset, .error: return false
        case .reset, .initialized: break
        default: guard path == .host else { return false }
        }
        var translated = attributes
        let mask = QueuePairTransition.AttributeMask(rawValue: attributes.attribute_mask)
        if mask.contains(.addressVector) {
            queuePairs[index].peerGuest = guestsByAddress[destination(attributes)] ?? 0
        }
        if mask.contains(.destinationQueuePair) {
            translated.destination_qp_number = realNumber(
                attributes.destination_qp_number & 0xff_ffff, ofGuest: queuePairs[index].peerGuest)
        }
        if next == .readyToReceive {
            // The peer may send as soon as it hears of this state: what was posted before is there then.
            _ = forwardReceives(index, limit: Int(queuePairs[index].receive.entryCount))
            guard queuePairs[index].state == current else { throw .invalidArgument }
        }
        guard mask.contains(.addressVector) else {
            try host.adapter.modifyQueuePair(index, translated, source: source)
            return false
        }
        // What completes before the answer is heard is the guest's already.
        queuePairs[index].path = path
        beginChange(
            PendingModification(
                command: command, guest: queuePairs[index].guest, queuePair: index,
                generation: queuePairs.generation(index), attributes: attributes, translated: translated,
                source: source, current: current, next: next, path: path),
            host)
        return true
    }

    /// The number that a guest's queue pair has on the device. Peers elsewhere said theirs themselves.
    private func realNumber(_ number: UInt32, ofGuest guest: UInt32) -> UInt32 {
        guard guest != 0, let host else { return number }
        return host.numbers.real(of: .init(guest: guest, number: number)) ?? number
    }

    /// Adds to the answer of a query what only the device knows.
    func addHostState(of index: UInt32, to attributes: inout vrdma_qp_attributes) throws(Errno) {
        guard let host else { return }
        let real = try host.adapter.queryQueuePair(index)
        attributes.qp_state = real.qp_state
        attributes.current_qp_state = real.current_qp_state
        attributes.sq_psn = real.sq_psn
        attributes.rq_psn = real.rq_psn
        attributes.sq_draining = real.sq_draining
    }
}

import Verbs

/// Finds the queue pair at the other end. The destination address selects the guest, whose own namespace holds the
/// number, so that equal numbers of two guests are never confused.
extension Device {
    /// Whether the peer that was found last is still the one, in the state in which it was found.
    @inline(__always)
    func isBound(_ index: UInt32) -> Bool {
        let peer = queuePairs[index].peer
        return queuePairs[index].boundEpoch == queuePairs[index].epoch
            && queuePairs.generation(peer) == queuePairs[index].peerGeneration
            && queuePairs[peer].epoch == queuePairs[index].peerEpoch
    }

    /// Looks the peer up. False when there is none that would answer: on a wire its packets would be dropped, and ours
    /// be sent again until the retries are used up.
    func bind(_ index: UInt32) -> Bool {
        guard let peer = findPeer(index), answers(peer, to: index) else { return false }
        queuePairs[index].peer = peer
        queuePairs[index].peerGeneration = queuePairs.generation(peer)
        queuePairs[index].peerEpoch = queuePairs[peer].epoch
        queuePairs[index].boundEpoch = queuePairs[index].epoch
        if queuePairs[peer].state == .readyToReceive, !queuePairs[peer].hasCommunicationEstablished {
            queuePairs[peer].hasCommunicationEstablished = true
            raise(.communicationEstablished, queuePair: peer)
        }
        return true
    }

    /// The queue pair that has the destination's address and number, in whatever state.
    func findPeer(_ index: UInt32) -> UInt32? {
        guard let identifier = guestsByAddress[queuePairs[index].destination], let guest = guests[identifier] else {
            return nil
        }
        return guest.queuePairNumbers[
            QueuePairNumber(rawValue: queuePairs[index].attributes.destination_qp_number)]
    }

    private func answers(_ peer: UInt32, to index: UInt32) -> Bool {
        guard queuePairs[peer].state.acceptsRequests, queuePairs[peer].path == .local,
            queuePairs[peer].attributes.destination_qp_number == queuePairs[index].number.rawValue,
            guestsByAddress[queuePairs[peer].destination] == queuePairs[index].guest
        else { return false }
        // A request with another PSN than the expected one is no request to this responder (IBA 9.7.4.1.2).
        return queuePairs[peer].receivePSN == queuePairs[index].sendPSN
    }

    /// Lets a peer that waits for this queue pair go on at once, instead of at its next retry.
    func wakePeerWaiting(for index: UInt32) {
        guard let peer = findPeer(index), queuePairs[peer].wait == .noAnswer, bind(peer) else { return }
        queuePairs[peer].wait = .none
        activate(peer)
    }
}

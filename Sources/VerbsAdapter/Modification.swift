import CRDMACore
import CVRDMAABI
import Endpoint
import Verbs

/// A queue pair that was destroyed while another thread changed it.
struct DoomedQueuePair {
    var real: UnsafeMutablePointer<ibv_qp>
    var changes: UInt32
    var domain: UInt32

    /// The kernel refuses to destroy a completion queue in use.
    func uses(_ queue: UnsafeMutablePointer<ibv_cq>) -> Bool {
        real.pointee.send_cq == queue || real.pointee.recv_cq == queue
    }
}

extension VerbsAdapter {
    /// Begins to change state and attributes; `HostEvent.modified` or `.modificationFailed` with the token answers.
    ///
    /// As `modifyQueuePair`, which waits for the kernel: up to a second when the attributes name a peer that does not
    /// answer. The queue pair may be used, and destroyed, meanwhile.
    package func beginModification(
        _ queuePair: UInt32, _ attributes: vrdma_qp_attributes, source: GID, token: UInt64
    ) {
        do throws(Errno) {
            let (real, changes) = try translate(queuePair, attributes, source)
            try modifications.begin(
                QueuePairChange(
                    queuePair: queuePair, real: real, attributes: changes, mask: attributes.attribute_mask,
                    token: token))
            queuePairs[Int(queuePair)].changes &+= 1
        } catch {
            events.append(.modificationFailed(token: token, error))
        }
    }

    /// The queue pair and its new attributes, as the device knows them.
    func translate(
        _ queuePair: UInt32, _ attributes: vrdma_qp_attributes, _ source: GID
    ) throws(Errno) -> (UnsafeMutablePointer<ibv_qp>, ibv_qp_attr) {
        let device = try openDevice()
        let real = try realQueuePair(queuePair)
        guard attributes.attribute_mask & ~QueuePairAttributes.permittedMask == 0 else { throw .invalidArgument }
        var sourceIndex: UInt8 = 0
        if QueuePairAttributes.names(IBV_QP_AV, in: attributes) {
            guard let index = gids.index(of: source) else { throw .addressNotAvailable }
            sourceIndex = index
        }
        return (real, QueuePairAttributes.ofDevice(attributes, port: device.port, sourceIndex: sourceIndex))
    }

    /// What a change of attributes means for the adapter.
    func noteChange(_ place: Int, _ attributes: ibv_qp_attr, mask: UInt32) {
        if mask & IBV_QP_STATE.rawValue != 0, attributes.qp_state == IBV_QPS_RESET { forgetRequests(place) }
    }

    func finish(_ change: QueuePairChange, _ error: Errno?) {
        let place = Int(change.queuePair)
        if queuePairs[place].real == change.real {
            queuePairs[place].changes &-= 1
            if error == nil { noteChange(place, change.attributes, mask: change.mask) }
        } else {
            finishDoomed(change.real)
        }
        if let error {
            events.append(.modificationFailed(token: change.token, noteFailure(error)))
        } else {
            events.append(.modified(token: change.token))
        }
    }

    /// Destroys what another thread used until now.
    private func finishDoomed(_ real: UnsafeMutablePointer<ibv_qp>) {
        guard let position = doomedQueuePairs.firstIndex(where: { $0.real == real }) else { return }
        doomedQueuePairs[position].changes &-= 1
        guard doomedQueuePairs[position].changes == 0 else { return }
        ibv_destroy_qp(real)
        release(doomedQueuePairs.remove(at: position).domain)
        let waiting = doomedQueues
        doomedQueues.removeAll()
        for queue in waiting { destroy(queue) }
    }

    /// Destroys a completion queue, unless a queue pair that another thread changes uses it; then later.
    func destroy(_ queue: DeviceRemains.CompletionQueue) {
        if doomedQueuePairs.contains(where: { $0.uses(queue.real) }) {
            doomedQueues.append(queue)
        } else {
            queue.destroy()
        }
    }
}

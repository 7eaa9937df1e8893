import CRDMACore
import CVRDMAABI
import Endpoint
import Verbs

extension VerbsAdapter {
    package func createQueuePair(
        _ queuePair: UInt32, _ shape: HostQueuePairShape
    ) throws(Errno) -> QueuePairNumber {
        _ = try openDevice()
        let place = Int(queuePair)
        let sendQueue = Int(shape.sendCompletionQueue)
        let receiveQueue = Int(shape.receiveCompletionQueue)
        guard place < queuePairs.count else { throw .outOfMemory }
        guard queuePairs[place].real == nil, let domain = domains[shape.domain.rawValue], !domain.isDestroyed,
            sendQueue < completionQueues.count, receiveQueue < completionQueues.count,
            let sendCompletions = completionQueues[sendQueue].real,
            let receiveCompletions = completionQueues[receiveQueue].real
        else { throw .invalidArgument }
        var attributes = ibv_qp_init_attr()
        attributes.qp_context = DeviceIndex.pointer(queuePair)
        attributes.send_cq = sendCompletions
        attributes.recv_cq = receiveCompletions
        attributes.cap.max_send_wr = shape.sendEntries
        attributes.cap.max_recv_wr = shape.receiveEntries
        attributes.cap.max_send_sge = shape.sendElements
        attributes.cap.max_recv_sge = shape.receiveElements
        attributes.cap.max_inline_data = shape.inlineBytes
        attributes.qp_type = IBV_QPT_RC
        attributes.sq_sig_all = shape.signalsAll ? 1 : 0
        guard let real = ibv_create_qp(domain.real, &attributes) else { throw noteFailure(.ofDevice) }
        queuePairs[place].forget()
        queuePairs[place].real = real
        queuePairs[place].number = real.pointee.qp_num
        queuePairs[place].domain = shape.domain.rawValue
        queuePairs[place].sendCompletionQueue = shape.sendCompletionQueue
        queuePairs[place].receiveCompletionQueue = shape.receiveCompletionQueue
        domains[shape.domain.rawValue]?.references += 1
        return QueuePairNumber(rawValue: real.pointee.qp_num)
    }

    package func modifyQueuePair(
        _ queuePair: UInt32, _ attributes: vrdma_qp_attributes, source: GID
    ) throws(Errno) {
        let (real, translated) = try translate(queuePair, attributes, source)
        var changes = translated
        let result = ibv_modify_qp(real, &changes, Int32(truncatingIfNeeded: attributes.attribute_mask))
        guard result == 0 else { throw noteFailure(.ofDevice(result)) }
        noteChange(Int(queuePair), changes, mask: attributes.attribute_mask)
    }

    package func queryQueuePair(_ queuePair: UInt32) throws(Errno) -> vrdma_qp_attributes {
        _ = try openDevice()
        let real = try realQueuePair(queuePair)
        var attributes = ibv_qp_attr()
        var initial = ibv_qp_init_attr()
        let mask = QueuePairAttributes.permittedMask
        let result = ibv_query_qp(real, &attributes, Int32(truncatingIfNeeded: mask), &initial)
        guard result == 0 else { throw noteFailure(.ofDevice(result)) }
        return QueuePairAttributes.ofGuest(attributes)
    }

    package func destroyQueuePair(_ queuePair: UInt32) {
        let place = Int(queuePair)
        guard place < queuePairs.count, let real = queuePairs[place].real else { return }
        let domain = queuePairs[place].domain
        let changes = queuePairs[place].changes
        if changes == 0 { ibv_destroy_qp(real) }
        forgetRequests(place)
        queuePairs[place].forget()
        if changes == 0 {
            release(domain)
        } else {
            doomedQueuePairs.append(DoomedQueuePair(real: real, changes: changes, domain: domain))
        }
    }

    func realQueuePair(_ queuePair: UInt32) throws(Errno) -> UnsafeMutablePointer<ibv_qp> {
        guard Int(queuePair) < queuePairs.count, let real = queuePairs[Int(queuePair)].real else {
            throw .invalidArgument
        }
        return real
    }

    /// Lets completions of what was posted so far be dropped, and takes them out of the device's queues soon: a device may
    /// leave them there, where they take the place of others.
    func forgetRequests(_ place: Int) {
        let sendQueue = Int(queuePairs[place].sendCompletionQueue)
        let receiveQueue = Int(queuePairs[place].receiveCompletionQueue)
        completionQueues[sendQueue].outstanding &-= UInt64(queuePairs[place].sendOutstanding)
        completionQueues[receiveQueue].outstanding &-= UInt64(queuePairs[place].receiveOutstanding)
        queuePairs[place].sendOutstanding = 0
        queuePairs[place].receiveOutstanding = 0
        queuePairs[place].generation &+= 1
        polling.dropPending(of: UInt32(truncatingIfNeeded: place))
        for queue in [sendQueue, receiveQueue] where completionQueues[queue].real != nil {
            completionQueues[queue].needsDraining = true
            makeHot(UInt32(truncatingIfNeeded: queue))
        }
    }
}

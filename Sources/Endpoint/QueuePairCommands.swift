import CVRDMAABI
import SharedMemory
import Tables
import Verbs

/// Making and removing queue pairs.
extension Device {
    func createQueuePair(_ command: vrdma_message, guest: Guest) throws(Errno) -> vrdma_message {
        let request = try payload(command, as: vrdma_create_qp_command.self)
        let limits = guest.limits
        guard request.type == VRDMA_QPT_RC.rawValue else { throw .notSupported }
        guard request.send_entries <= limits.workRequestsPerQueue,
            request.receive_entries <= limits.workRequestsPerQueue,
            request.max_send_sge <= limits.scatterGatherElements,
            request.max_receive_sge <= limits.scatterGatherElements,
            request.max_inline_bytes <= limits.inlineBytes, request.slot < VRDMA_DOORBELL_SLOTS
        else { throw .invalidArgument }
        _ = try protectionDomain(request.pd, context: command.context, guest: guest)
        try checkCompletionQueue(request.send_cq, context: command.context, guest: guest)
        try checkCompletionQueue(request.receive_cq, context: command.context, guest: guest)
        guard guest.queuePairNumbers.count < limits.queuePairsPerGuest else { throw .outOfMemory }
        guard Int(request.slot) < limits.queuePairsPerGuest else { throw .invalidArgument }
        let (send, receive) = try workQueues(request, context: command.context, guest: guest)
        // Without entries the region was not looked up, and is not held: no region has the number 0.
        let receiveRegion = receive.entryCount > 0 ? request.receive_queue.region : 0
        try reserveSlot(request.slot, context: command.context)

        let queuePair = QueuePair(
            guest: guest.identifier, schedule: guest.schedule, context: command.context,
            number: QueuePairNumber(rawValue: 0),
            slot: request.slot, protectionDomain: request.pd, mappings: guest.mappings.view, send: send,
            receive: receive, sendRegion: request.send_queue.region, receiveRegion: receiveRegion,
            sendCompletionQueue: request.send_cq, receiveCompletionQueue: request.receive_cq,
            maxSendElements: request.max_send_sge, maxReceiveElements: request.max_receive_sge,
            maxInlineBytes: request.max_inline_bytes, signalsAll: request.flags & VRDMA_QP_SIGNAL_ALL != 0,
            maxMessageBytes: limits.messageBytes)
        guard let index = queuePairs.insert(queuePair) else { throw .outOfMemory }
        let number: QueuePairNumber
        do throws(Errno) {
            let wanted = try createHostQueuePair(
                index, domain: guest.protectionDomains[request.pd]?.host, request, of: guest)
            guard let allocated = guest.queuePairNumbers.allocate(for: index, wanted: wanted) else {
                removeHostQueuePair(index)
                throw .outOfMemory
            }
            number = allocated
            if let wanted {
                host?.numbers.join(.init(guest: guest.identifier, number: number.rawValue), wanted.rawValue)
            }
        } catch {
            queuePairs.remove(index)
            throw error
        }
        queuePairs[index].number = number
        contexts[command.context].slots[Int(request.slot)] = index
        send.doorbellWanted.storeRelaxed(1)
        if receive.entryCount > 0 { receive.doorbellWanted.storeRelaxed(0) }
        retainRegion(request.send_queue.region, of: guest)
        retainRegion(receiveRegion, of: guest)
        guest.protectionDomains[request.pd]?.useCount += 1
        completionQueues[request.send_cq].queuePairCount &+= 1
        completionQueues[request.receive_cq].queuePairCount &+= 1
        contextDetails[command.context]?.queuePairs.insert(index)
        return reply(command, vrdma_handle_reply(handle: number.rawValue, flags: 0))
    }

    func destroyQueuePair(_ command: vrdma_message, guest: Guest) throws(Errno) -> vrdma_message {
        let request = try payload(command, as: vrdma_handle_command.self)
        let index = try queuePair(request.handle, context: command.context, guest: guest)
        contextDetails[command.context]?.queuePairs.remove(index)
        removeQueuePair(index, of: guest)
        return command.reply()
    }

    func queryQueuePair(_ command: vrdma_message, guest: Guest) throws(Errno) -> vrdma_message {
        let request = try payload(command, as: vrdma_handle_command.self)
        let index = try queuePair(request.handle, context: command.context, guest: guest)
        var attributes = queuePairs[index].attributes
        attributes.qp_state = queuePairs[index].state.rawValue
        attributes.current_qp_state = queuePairs[index].state.rawValue
        attributes.sq_psn = queuePairs[index].sendPSN.rawValue
        attributes.rq_psn = queuePairs[index].receivePSN.rawValue
        attributes.sq_draining = queuePairs[index].isDraining ? 1 : 0
        if queuePairs[index].path == .host { try addHostState(of: index, to: &attributes) }
        return reply(command, vrdma_query_qp_reply(attributes: attributes))
    }

    /// The table index of a queue pair of this context. Throws `EINVAL` for one of another context or guest.
    func queuePair(_ number: UInt32, context: UInt32, guest: Guest) throws(Errno) -> UInt32 {
        guard number <= 0xff_ffff, let index = guest.queuePairNumbers[QueuePairNumber(rawValue: number)],
            queuePairs[index].context == context
        else { throw .invalidArgument }
        return index
    }

    /// - Parameter isAbandoned: its application is gone, and waits for nothing.
    func removeQueuePair(_ index: UInt32, of guest: Guest, isAbandoned: Bool = false) {
        let queuePair = queuePairs[index]
        if queuePair.isActive { unlistActive(at: queuePair.activePosition, of: queuePair.schedule) }
        if queuePair.isListedWaiting { unlistWaiting(at: queuePair.waitingPosition) }
        contexts[queuePair.context].slots[Int(queuePair.slot)] = .max
        removeHostQueuePair(index, isAbandoned: isAbandoned)
        releaseRegion(queuePair.sendRegion, of: guest)
        releaseRegion(queuePair.receiveRegion, of: guest)
        guest.protectionDomains[queuePair.protectionDomain]?.useCount -= 1
        completionQueues[queuePair.sendCompletionQueue].queuePairCount &-= 1
        completionQueues[queuePair.receiveCompletionQueue].queuePairCount &-= 1
        guest.queuePairNumbers.release(queuePair.number)
        guest.counters.workRequests &+= queuePair.requestCount
        guest.counters.bytes &+= queuePair.byteCount
        queuePairs.remove(index)
    }

    private func workQueues(
        _ request: vrdma_create_qp_command, context: UInt32, guest: Guest
    ) throws(Errno) -> (WorkQueue, WorkQueue) {
        let sendRegion = try region(request.send_queue.region, context: context, guest: guest)
        let sendHeaderBytes = MemoryLayout<vrdma_send_wqe>.size
        guard request.send_stride_bytes % 64 == 0,
            let send = WorkQueue(
                sendRegion.mapping, offset: request.send_queue.offset, entryCount: request.send_entries,
                strideBytes: request.send_stride_bytes),
            send.elementCapacity(headerBytes: sendHeaderBytes) >= max(1, request.max_send_sge),
            UInt64(request.max_inline_bytes) + UInt64(sendHeaderBytes) <= UInt64(request.send_stride_bytes)
        else { throw .invalidArgument }
        guard request.receive_entries > 0 else { return (send, .none) }
        let receiveRegion = try region(request.receive_queue.region, context: context, guest: guest)
        guard
            let receive = WorkQueue(
                receiveRegion.mapping, offset: request.receive_queue.offset, entryCount: request.receive_entries,
                strideBytes: request.receive_stride_bytes),
            receive.elementCapacity(headerBytes: MemoryLayout<vrdma_receive_wqe>.size) >= request.max_receive_sge
        else { throw .invalidArgument }
        return (send, receive)
    }

    /// Makes room for a doorbell slot. Throws `EBUSY` when another queue pair of the context has it.
    private func reserveSlot(_ slot: UInt32, context: UInt32) throws(Errno) {
        let slots = contexts[context].slots
        if Int(slot) < slots.count {
            guard slots[Int(slot)] == .max else { throw .busy }
            return
        }
        let larger = Block<UInt32>.allocate(count: max(64, (Int(slot) + 1) * 2), repeating: .max)
        for position in 0..<slots.count { larger[position] = slots[position] }
        slots.deallocate()
        contexts[context].slots = larger
    }
}

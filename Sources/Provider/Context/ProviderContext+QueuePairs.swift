import CLinux
import CVRDMAABI
import SharedMemory
import Verbs

extension ProviderContext {
    /// A new queue pair in RESET. What it can hold stands in its `capabilities`.
    ///
    /// Throws `EINVAL` above the device's limits and `ENOMEM` at a limit of objects or memory.
    package func createQueuePair(
        _ capabilities: QueuePairCapabilities, protectionDomain: UInt32,
        sendCompletionQueue: UnsafeMutablePointer<ProviderCompletionQueue>,
        receiveCompletionQueue: UnsafeMutablePointer<ProviderCompletionQueue>,
        signalAll: Bool, type: UInt32 = VRDMA_QPT_RC.rawValue
    ) throws(Errno) -> UnsafeMutablePointer<ProviderQueuePair> {
        let shape = try QueueShape(capabilities, deviceAttributes)
        mutex.lock()
        defer { mutex.unlock() }
        guard let slot = queuePairSlots.allocate() else { throw .outOfMemory }
        var pieces: [RingMemory.Piece] = []
        do throws(Errno) {
            pieces.append(try allocateRing(shape.sendBytes))
            if shape.receiveEntries > 0 { pieces.append(try allocateRing(shape.receiveBytes)) }
            var command = vrdma_create_qp_command()
            command.send_queue = pieces[0].name
            if let receive = pieces.dropFirst().first { command.receive_queue = receive.name }
            command.send_entries = shape.sendEntries
            command.receive_entries = shape.receiveEntries
            command.send_stride_bytes = shape.sendStrideBytes
            command.receive_stride_bytes = shape.receiveStrideBytes
            command.max_send_sge = capabilities.maxSendElements
            command.max_receive_sge = capabilities.maxReceiveElements
            command.max_inline_bytes = capabilities.maxInlineBytes
            command.pd = protectionDomain
            command.send_cq = sendCompletionQueue.pointee.handle
            command.receive_cq = receiveCompletionQueue.pointee.handle
            command.type = type
            command.flags = signalAll ? UInt32(VRDMA_QP_SIGNAL_ALL) : 0
            command.slot = slot
            let number = try call(VRDMA_OP_CREATE_QP, command, reply: vrdma_handle_reply.self).handle
            var actual = capabilities
            actual.maxSendRequests = shape.sendEntries
            actual.maxReceiveRequests = shape.receiveEntries
            let queuePair = UnsafeMutablePointer<ProviderQueuePair>.allocate(capacity: 1)
            queuePair.initialize(
                to: ProviderQueuePair(
                    number: number, slot: slot, core: core,
                    send: PostingQueue(
                        header: pieces[0].address, entryCount: shape.sendEntries,
                        strideBytes: shape.sendStrideBytes, doorbell: 2 * slot),
                    receive: PostingQueue(
                        header: (pieces.last ?? pieces[0]).address, entryCount: shape.receiveEntries,
                        strideBytes: shape.receiveStrideBytes, doorbell: 2 * slot + 1),
                    signalsAll: signalAll, capabilities: actual, protectionDomain: protectionDomain,
                    sendCompletionQueue: sendCompletionQueue, receiveCompletionQueue: receiveCompletionQueue,
                    sendMemory: pieces[0], receiveMemory: pieces.dropFirst().first))
            core.pointee.queuePairs.set(slot, queuePair)
            sendCompletionQueue.link(sender: queuePair)
            receiveCompletionQueue.link(receiver: queuePair)
            return queuePair
        } catch {
            for piece in pieces { releaseRing(piece) }
            queuePairSlots.release(slot)
            throw error
        }
    }

    /// Changes attributes (ibv_modify_qp(3)); the mask stands in them. RESET forgets everything that was posted, and
    /// removes the queue pair's completions.
    package func modifyQueuePair(
        _ queuePair: UnsafeMutablePointer<ProviderQueuePair>, _ attributes: vrdma_qp_attributes
    ) throws(Errno) {
        var command = vrdma_modify_qp_command()
        command.qp_number = queuePair.pointee.number
        command.attributes = attributes
        mutex.lock()
        defer { mutex.unlock() }
        _ = try call(VRDMA_OP_MODIFY_QP, command)
        guard attributes.attribute_mask & Self.stateBit != 0 else { return }
        if attributes.qp_state == QueuePairState.reset.rawValue {
            // In this order: a completion polled in between would free entries of the new count.
            queuePair.pointee.sendCompletionQueue.removeCompletions(slot: queuePair.pointee.slot)
            queuePair.pointee.receiveCompletionQueue.removeCompletions(slot: queuePair.pointee.slot)
            queuePair.pointee.send.restart()
            queuePair.pointee.receive.restart()
        }
        queuePair.pointee.send.state.release(attributes.qp_state)
    }

    /// All attributes (ibv_query_qp(3)).
    package func queryQueuePair(
        _ queuePair: UnsafeMutablePointer<ProviderQueuePair>
    ) throws(Errno) -> vrdma_qp_attributes {
        let attributes = try call(
            VRDMA_OP_QUERY_QP, vrdma_handle_command(handle: queuePair.pointee.number, index: 0),
            reply: vrdma_query_qp_reply.self
        ).attributes
        queuePair.pointee.send.state.release(attributes.qp_state)
        return attributes
    }

    /// Destroys the queue pair and removes its completions. The pointer is invalid afterwards.
    package func destroyQueuePair(_ queuePair: UnsafeMutablePointer<ProviderQueuePair>) throws(Errno) {
        mutex.lock()
        defer { mutex.unlock() }
        try callToDestroy(VRDMA_OP_DESTROY_QP, handle: queuePair.pointee.number)
        queuePair.pointee.sendCompletionQueue.removeCompletions(slot: queuePair.pointee.slot)
        queuePair.pointee.receiveCompletionQueue.removeCompletions(slot: queuePair.pointee.slot)
        queuePair.pointee.sendCompletionQueue.unlink(sender: queuePair)
        queuePair.pointee.receiveCompletionQueue.unlink(receiver: queuePair)
        core.pointee.queuePairs.set(queuePair.pointee.slot, nil)
        queuePairSlots.release(queuePair.pointee.slot)
        releaseRing(queuePair.pointee.sendMemory)
        if let memory = queuePair.pointee.receiveMemory { releaseRing(memory) }
        queuePair.pointee.deallocate()
        queuePair.deallocate()
    }

    /// The queue pair that an asynchronous event names; nil when it is destroyed.
    package func queuePair(slot: UInt32, number: UInt32) -> UnsafeMutablePointer<ProviderQueuePair>? {
        mutex.withLock {
            guard let queuePair = core.pointee.queuePairs.lookup(slot), queuePair.pointee.number == number else {
                return nil
            }
            return queuePair
        }
    }

    /// `IBV_QP_STATE`.
    private static var stateBit: UInt32 { 1 }
}

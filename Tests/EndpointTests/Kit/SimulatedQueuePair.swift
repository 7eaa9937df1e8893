import CVRDMAABI
import SharedMemory
import Verbs

@testable import Endpoint

/// A queue pair as its application sees it.
final class SimulatedQueuePair {
    /// What ibv_create_qp(3) is told.
    struct Capabilities {
        var sendEntries: UInt32 = 128
        var receiveEntries: UInt32 = 128
        var sendElements: UInt32 = 32
        var receiveElements: UInt32 = 32
        var inlineBytes: UInt32 = 512
        var signalsAll = false
    }

    let context: SimulatedContext
    let number: UInt32
    let slot: UInt32
    let send: WorkQueue
    let receive: WorkQueue
    /// The next entries to post.
    private(set) var sendTail: UInt32 = 0
    private(set) var receiveTail: UInt32 = 0

    fileprivate init(context: SimulatedContext, number: UInt32, slot: UInt32, send: WorkQueue, receive: WorkQueue) {
        self.context = context
        self.number = number
        self.slot = slot
        self.send = send
        self.receive = receive
    }

    // MARK: Posting

    func post(_ requests: SendRequest...) {
        post(requests)
    }

    /// Posts in order, with one doorbell.
    func post(_ requests: [SendRequest]) {
        for request in requests {
            write(request, at: sendTail)
            sendTail &+= 1
        }
        publishSend(sendTail)
    }

    /// Writes an entry without making it visible.
    func write(_ request: SendRequest, at index: UInt32) {
        let place = send.entry(index)
        place.storeBytes(of: request.entry, as: vrdma_send_wqe.self)
        let body = place + MemoryLayout<vrdma_send_wqe>.size
        if let data = request.inlineData {
            body.copyMemory(from: data, byteCount: data.count)
        } else {
            body.copyMemory(from: request.elements, byteCount: request.elements.count * 16)
        }
    }

    func postReceive(_ identifier: UInt64 = 1, _ elements: vrdma_sge...) {
        postReceive(identifier, elements: elements)
    }

    func postReceive(_ identifier: UInt64, elements: [vrdma_sge]) {
        let place = receive.entry(receiveTail)
        place.storeBytes(
            of: vrdma_receive_wqe(wr_id: identifier, sge_count: UInt32(elements.count), reserved: 0),
            as: vrdma_receive_wqe.self)
        (place + MemoryLayout<vrdma_receive_wqe>.size)
            .copyMemory(from: elements, byteCount: elements.count * 16)
        receiveTail &+= 1
        publishReceive(receiveTail)
    }

    /// Stores the send queue's index, whatever it is, and rings if the endpoint wants that.
    func publishSend(_ tail: UInt32) {
        sendTail = tail
        send.tail.release(tail)
        SharedMemoryFence.full()
        if send.doorbellWanted.relaxed() != 0 { context.ring(2 * slot) }
    }

    /// The first half of `publishSend`: the caller rings.
    func publishSendSilently(_ tail: UInt32) {
        sendTail = tail
        send.tail.release(tail)
        SharedMemoryFence.full()
    }

    func publishReceive(_ tail: UInt32) {
        receiveTail = tail
        receive.tail.release(tail)
        SharedMemoryFence.full()
        if receive.doorbellWanted.relaxed() != 0 { context.ring(2 * slot + 1) }
    }

    // MARK: Commands

    func modify(_ attributes: vrdma_qp_attributes) throws(Errno) {
        try context.command(
            VRDMA_OP_MODIFY_QP, vrdma_modify_qp_command(qp_number: number, reserved: 0, attributes: attributes))
        let mask = AttributeMask(rawValue: attributes.attribute_mask)
        if mask.contains(.state), attributes.qp_state == QueuePairState.reset.rawValue { restart() }
    }

    func modify(_ state: QueuePairState) throws(Errno) {
        var attributes = vrdma_qp_attributes()
        attributes.attribute_mask = AttributeMask.state.rawValue
        attributes.qp_state = state.rawValue
        try modify(attributes)
    }

    func query() throws(Errno) -> vrdma_qp_attributes {
        let reply = try context.command(VRDMA_OP_QUERY_QP, handle: number)
        guard let answer = reply.payload(as: vrdma_query_qp_reply.self) else { throw .protocolError }
        return answer.attributes
    }

    func state() throws(Errno) -> QueuePairState? {
        QueuePairState(rawValue: try query().qp_state)
    }

    func destroy() throws(Errno) {
        try context.command(VRDMA_OP_DESTROY_QP, handle: number)
        context.releaseSlot(slot)
    }

    /// After RESET both sides begin at 0 again.
    private func restart() {
        sendTail = 0
        receiveTail = 0
        send.tail.release(0)
        if receive.entryCount > 0 { receive.tail.release(0) }
    }
}

typealias AttributeMask = QueuePairTransition.AttributeMask

extension SimulatedContext {
    func createQueuePair(
        _ capabilities: SimulatedQueuePair.Capabilities = .init(), protectionDomain: UInt32,
        sendQueue: SimulatedCompletionQueue, receiveQueue: SimulatedCompletionQueue
    ) throws(Errno) -> SimulatedQueuePair {
        let body = max(16 * max(1, Int(capabilities.sendElements)), Int(capabilities.inlineBytes))
        let sendStride = UInt32((MemoryLayout<vrdma_send_wqe>.size + body + 63) / 64 * 64)
        let receiveStride = UInt32(16 + 16 * Int(capabilities.receiveElements))
        let sendBytes = WorkQueue.sizeBytes(entryCount: capabilities.sendEntries, strideBytes: sendStride)
        let receiveBytes = WorkQueue.sizeBytes(entryCount: capabilities.receiveEntries, strideBytes: receiveStride)
        var request = vrdma_create_qp_command()
        request.send_queue = memory.name(try memory.allocate(Int(sendBytes)))
        request.receive_queue = memory.name(try memory.allocate(Int(receiveBytes)))
        request.send_entries = capabilities.sendEntries
        request.receive_entries = capabilities.receiveEntries
        request.send_stride_bytes = sendStride
        request.receive_stride_bytes = receiveStride
        request.max_send_sge = capabilities.sendElements
        request.max_receive_sge = capabilities.receiveElements
        request.max_inline_bytes = capabilities.inlineBytes
        request.pd = protectionDomain
        request.send_cq = sendQueue.handle
        request.receive_cq = receiveQueue.handle
        request.type = VRDMA_QPT_RC.rawValue
        request.flags = capabilities.signalsAll ? VRDMA_QP_SIGNAL_ALL : 0
        request.slot = freeSlot
        return try createQueuePair(request)
    }

    func createQueuePair(_ request: vrdma_create_qp_command) throws(Errno) -> SimulatedQueuePair {
        let number = try handle(command(VRDMA_OP_CREATE_QP, request))
        takeSlot(request.slot)
        guard
            let send = WorkQueue(
                memory.mapping, offset: request.send_queue.offset, entryCount: request.send_entries,
                strideBytes: request.send_stride_bytes)
        else { throw .invalidArgument }
        let receive = WorkQueue(
            memory.mapping, offset: request.receive_queue.offset, entryCount: request.receive_entries,
            strideBytes: request.receive_stride_bytes)
        return SimulatedQueuePair(
            context: self, number: number, slot: request.slot, send: send,
            receive: receive ?? .none)
    }
}

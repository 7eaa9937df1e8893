import CRDMACore
import Glibc
import LinuxIO
import Verbs

/// Takes back the wish for an event of any completion, for which verbs have no call: a completion of the adapter's own
/// uses it up, a request flushed on a queue pair in the error state (IBA 10.3.1.7).
extension VerbsAdapter {
    private static let waitMilliseconds: Int32 = 2
    private static let waits = 10

    /// False when the event did not come in time, and the next one may be of any completion.
    func recallEvent(_ place: Int) -> Bool {
        guard completionQueues[place].isArmed else { return true }
        guard let device, let real = completionQueues[place].real,
            let queuePair = flushingQueuePair(real, device)
        else { return false }
        defer { ibv_destroy_qp(queuePair) }
        var request = ibv_send_wr()
        // Of no queue pair of the engine's, so that the completion is dropped.
        request.wr_id = .max
        request.opcode = IBV_WR_SEND
        request.send_flags = IBV_SEND_SIGNALED.rawValue
        var bad: UnsafeMutablePointer<ibv_send_wr>?
        guard ibv_post_send(queuePair, &request, &bad) == 0 else { return false }
        completionQueues[place].needsDraining = true
        for _ in 0..<Self.waits {
            takeCompletionEvents()
            guard completionQueues[place].isArmed else { return true }
            var channel = pollfd(fd: device.channel.pointee.fd, events: Int16(POLLIN), revents: 0)
            _ = Glibc.poll(&channel, 1, Self.waitMilliseconds)
        }
        return false
    }

    private func flushingQueuePair(
        _ queue: UnsafeMutablePointer<ibv_cq>, _ device: VerbsDevice
    ) -> UnsafeMutablePointer<ibv_qp>? {
        var initial = ibv_qp_init_attr()
        initial.send_cq = queue
        initial.recv_cq = queue
        initial.qp_type = IBV_QPT_RC
        initial.cap.max_send_wr = 1
        initial.cap.max_recv_wr = 1
        initial.cap.max_send_sge = 1
        initial.cap.max_recv_sge = 1
        guard let queuePair = ibv_create_qp(device.privateDomain, &initial) else { return nil }
        var attributes = ibv_qp_attr()
        attributes.qp_state = IBV_QPS_INIT
        attributes.port_num = device.port
        let mask = [IBV_QP_STATE, IBV_QP_PKEY_INDEX, IBV_QP_PORT, IBV_QP_ACCESS_FLAGS].reduce(0) { $0 | $1.rawValue }
        var isReady = ibv_modify_qp(queuePair, &attributes, Int32(truncatingIfNeeded: mask)) == 0
        attributes.qp_state = IBV_QPS_ERR
        isReady =
            isReady && ibv_modify_qp(queuePair, &attributes, Int32(truncatingIfNeeded: IBV_QP_STATE.rawValue)) == 0
        guard isReady else {
            ibv_destroy_qp(queuePair)
            return nil
        }
        return queuePair
    }
}

import CRDMACore

/// What there was of a device when it was lost, apart from memory: to be given back, or `rdma link delete` and the
/// unloading of a driver wait for it.
struct DeviceRemains: @unchecked Sendable {
    struct CompletionQueue {
        var real: UnsafeMutablePointer<ibv_cq>
        var unacknowledgedEvents: UInt32
    }

    var device: VerbsDevice
    var queuePairs: [UnsafeMutablePointer<ibv_qp>] = []
    var completionQueues: [CompletionQueue] = []
    var domains: [UnsafeMutablePointer<ibv_pd>] = []

    func destroyQueues() {
        for queuePair in queuePairs { ibv_destroy_qp(queuePair) }
        for queue in completionQueues {
            if queue.unacknowledgedEvents > 0 { ibv_ack_cq_events(queue.real, queue.unacknowledgedEvents) }
            ibv_destroy_cq(queue.real)
        }
    }

    /// After the memory in its domains is gone.
    func closeDevice() {
        for domain in domains { ibv_dealloc_pd(domain) }
        device.close()
    }
}

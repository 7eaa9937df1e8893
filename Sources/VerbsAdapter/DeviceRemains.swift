import CRDMACore

/// What there was of a device when it was lost, apart from memory: to be given back, or `rdma link delete` and the
/// unloading of a driver wait for it.
struct DeviceRemains: @unchecked Sendable {
    struct CompletionQueue {
        var real: UnsafeMutablePointer<ibv_cq>
        var unacknowledgedEvents: UInt32

        /// The library waits for acknowledgements.
        func destroy() {
            if unacknowledgedEvents > 0 { ibv_ack_cq_events(real, unacknowledgedEvents) }
            ibv_destroy_cq(real)
        }
    }

    var device: VerbsDevice
    /// They may be using queue pairs still.
    var modifications: ModificationWorkers
    var queuePairs: [UnsafeMutablePointer<ibv_qp>] = []
    var completionQueues: [CompletionQueue] = []
    var domains: [UnsafeMutablePointer<ibv_pd>] = []

    func destroyQueues() {
        modifications.waitUntilIdle()
        for queuePair in queuePairs { ibv_destroy_qp(queuePair) }
        for queue in completionQueues { queue.destroy() }
    }

    /// After the memory in its domains is gone.
    func closeDevice() {
        for domain in domains { ibv_dealloc_pd(domain) }
        device.close()
    }
}

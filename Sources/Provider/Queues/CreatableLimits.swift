import CVRDMAABI

extension vrdma_query_device_reply {
    /// The same device with limits that can be reached: a queue of the shape that is needed for the limit exists.
    ///
    /// The entries of a queue are a power of two, which need not be true of what a device offers.
    var withCreatableLimits: vrdma_query_device_reply {
        var device = self
        device.max_qp_wr = QueueShape.powerOfTwo(notAbove: max_qp_wr)
        device.max_cqe = QueueShape.powerOfTwo(notAbove: max_cqe)
        device.max_sge = min(max_sge, QueueShape.elementLimit)
        device.max_inline_bytes = min(max_inline_bytes, QueueShape.inlineLimit)
        return device
    }
}

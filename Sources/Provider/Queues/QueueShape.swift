import CVRDMAABI
import SharedMemory
import Verbs

/// The shape of a queue pair's rings for what it shall hold.
struct QueueShape {
    let sendEntries: UInt32
    let receiveEntries: UInt32
    let sendStrideBytes: UInt32
    let receiveStrideBytes: UInt32

    /// Throws `EINVAL` when the device, whose limits are creatable ones, has a lower limit.
    init(_ wanted: QueuePairCapabilities, _ device: vrdma_query_device_reply) throws(Errno) {
        guard wanted.maxSendRequests <= device.max_qp_wr, wanted.maxReceiveRequests <= device.max_qp_wr,
            wanted.maxSendElements <= device.max_sge, wanted.maxReceiveElements <= device.max_sge,
            wanted.maxInlineBytes <= device.max_inline_bytes
        else { throw .invalidArgument }
        let elementBytes = UInt32(MemoryLayout<vrdma_sge>.size)
        let payload = max(elementBytes * wanted.maxSendElements, wanted.maxInlineBytes)
        sendStrideBytes = (UInt32(MemoryLayout<vrdma_send_wqe>.size) + payload + 63) & ~63
        receiveStrideBytes = UInt32(MemoryLayout<vrdma_receive_wqe>.size) + elementBytes * wanted.maxReceiveElements
        sendEntries = Self.powerOfTwo(max(wanted.maxSendRequests, 1))
        receiveEntries = wanted.maxReceiveRequests == 0 ? 0 : Self.powerOfTwo(wanted.maxReceiveRequests)
    }

    /// What fits into an entry, whatever a device says.
    static let elementLimit: UInt32 = 4096
    static let inlineLimit: UInt32 = 65536

    var sendBytes: Int { Int(WorkQueue.sizeBytes(entryCount: sendEntries, strideBytes: sendStrideBytes)) }
    var receiveBytes: Int { Int(WorkQueue.sizeBytes(entryCount: receiveEntries, strideBytes: receiveStrideBytes)) }

    /// The highest power of two that is not above `limit`; 0 for 0.
    static func powerOfTwo(notAbove limit: UInt32) -> UInt32 {
        guard limit > 0 else { return 0 }
        return 1 << UInt32(limit.bitWidth - 1 - limit.leadingZeroBitCount)
    }

    /// The lowest power of two that is not below `count`; at most 2^31.
    static func powerOfTwo(_ count: UInt32) -> UInt32 {
        guard count > 1 else { return 1 }
        return 1 << min(UInt32.bitWidth - (count - 1).leadingZeroBitCount, UInt32.bitWidth - 1)
    }
}

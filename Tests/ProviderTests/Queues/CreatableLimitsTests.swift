import CVRDMAABI
import Testing
import Verbs

@testable import Provider

/// Limits as they are reported: each can be reached.
@Suite struct CreatableLimitsTests {
    @Test(
        arguments: [
            (0, 0), (1, 1), (2, 2), (3, 2), (4, 4), (5000, 4096), (32767, 16384), (32768, 32768), (65535, 32768),
            (.max, 1 << 31),
        ] as [(UInt32, UInt32)])
    func queuesHaveAPowerOfTwo(limit: UInt32, creatable: UInt32) {
        var device = vrdma_query_device_reply()
        device.max_cqe = limit
        device.max_qp_wr = limit
        #expect(device.withCreatableLimits.max_cqe == creatable)
        #expect(device.withCreatableLimits.max_qp_wr == creatable)
        #expect(creatable == 0 || QueueShape.powerOfTwo(creatable) == creatable)
    }

    @Test func aQueuePairOfTheLargestShape() throws {
        var device = vrdma_query_device_reply()
        (device.max_qp_wr, device.max_sge, device.max_inline_bytes) = (.max, .max, .max)
        let limits = device.withCreatableLimits
        let largest = QueuePairCapabilities(
            maxSendRequests: limits.max_qp_wr, maxReceiveRequests: limits.max_qp_wr, maxSendElements: limits.max_sge,
            maxReceiveElements: limits.max_sge, maxInlineBytes: limits.max_inline_bytes)
        let shape = try QueueShape(largest, limits)
        #expect(shape.sendEntries == limits.max_qp_wr && shape.receiveEntries == limits.max_qp_wr)
        var beyond = largest
        beyond.maxInlineBytes += 1
        #expect(throws: Errno.invalidArgument) { try QueueShape(beyond, limits) }
    }
}

import CRDMACore
import CVRDMAABI
import TestKit
import Testing

@testable import VerbsAdapter

struct QueuePairAttributesTests {
    /// Every field the ABI has, except those that are the device's own or that RC queue pairs do not use.
    @Test(arguments: Seeds.first(20))
    func attributesComeBack(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var given = vrdma_qp_attributes()
        withUnsafeMutableBytes(of: &given) { $0.copyBytes(from: random.bytes($0.count)) }
        let device = QueuePairAttributes.ofDevice(given, port: 2, sourceIndex: 77)
        #expect(device.port_num == 2 && device.ah_attr.port_num == 2 && device.ah_attr.grh.sgid_index == 77)
        let back = QueuePairAttributes.ofGuest(device)

        given.port_number = 2
        given.address_port_number = 2
        given.source_gid_index = 77
        given.attribute_mask = 0
        given.path_migration_state = 0
        given.qkey = 0
        given.alternate_pkey_index = 0
        given.sq_draining = 0
        given.alternate_port_number = 0
        given.alternate_timeout = 0
        given.reserved0 = (0, 0, 0)
        given.rate_limit = 0
        given.reserved1 = 0
        given.reserved = (0, 0, 0, 0)
        #expect(bytes(of: given) == bytes(of: back), "seed \(seed)")
    }

    private func bytes(of attributes: vrdma_qp_attributes) -> [UInt8] {
        withUnsafeBytes(of: attributes) { Array($0) }
    }

    @Test func whatTheDeviceKnowsComesToTheGuest() {
        var device = ibv_qp_attr()
        device.sq_draining = 1
        device.qp_state = IBV_QPS_SQD
        device.path_mig_state = IBV_MIG_MIGRATED
        let guest = QueuePairAttributes.ofGuest(device)
        #expect(guest.sq_draining == 1)
        #expect(guest.qp_state == IBV_QPS_SQD.rawValue)
        #expect(guest.path_migration_state == IBV_MIG_MIGRATED.rawValue)
    }

    @Test func alternatePathsAndKeysOfDatagramsAreNotPermitted() {
        for mask in [IBV_QP_QKEY, IBV_QP_ALT_PATH, IBV_QP_PATH_MIG_STATE, IBV_QP_CAP, IBV_QP_RATE_LIMIT] {
            #expect(QueuePairAttributes.permittedMask & mask.rawValue == 0)
        }
        #expect(QueuePairAttributes.permittedMask & IBV_QP_DEST_QPN.rawValue != 0)
    }
}

import CVRDMAABI
import SharedMemory
import Verbs

@testable import Endpoint

private typealias Mask = QueuePairTransition.AttributeMask

extension FuzzGuest {
    /// From any state through RESET to RTS.
    package func connect(to peer: FuzzGuest) {
        var attributes = vrdma_qp_attributes()
        attributes.port_number = 1
        attributes.access_flags = 0xe
        attributes.path_mtu = 3
        attributes.destination_qp_number = peer.queuePair
        attributes.max_rd_atomic = 4
        attributes.max_destination_rd_atomic = 4
        attributes.min_rnr_timer = 1
        attributes.timeout = 1
        attributes.retry_count = 2
        attributes.rnr_retry = 2
        attributes.is_global = 1
        attributes.source_gid_index = 1
        attributes.hop_limit = 1
        attributes.address_port_number = 1
        withUnsafeMutableBytes(of: &attributes.destination_gid) { $0.copyBytes(from: peer.address.bytes) }
        let steps: [(QueuePairState, Mask)] = [
            (.reset, []),
            (.initialized, [.pkeyIndex, .port, .accessFlags]),
            (
                .readyToReceive,
                [.addressVector, .pathMTU, .destinationQueuePair, .receivePSN, .maxDestinationReadAtomic, .minRNRTimer]
            ),
            (.readyToSend, [.timeout, .retryCount, .rnrRetry, .sendPSN, .maxReadAtomic]),
        ]
        sendQueue.tail.release(0)
        receiveQueue.tail.release(0)
        for (state, mask) in steps {
            attributes.qp_state = state.rawValue
            attributes.attribute_mask = mask.union(.state).rawValue
            modify(attributes)
        }
    }

    /// MODIFY_QP; whether it succeeds is not looked at.
    package func modify(_ attributes: vrdma_qp_attributes) {
        _ = try? command(
            VRDMA_OP_MODIFY_QP,
            vrdma_modify_qp_command(qp_number: queuePair, reserved: 0, attributes: attributes), reply: UInt8.self)
    }
}

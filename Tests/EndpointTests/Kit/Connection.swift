import CVRDMAABI
import Verbs

@testable import Endpoint

/// The attributes with which a queue pair is taken from RESET to RTS.
struct Connection {
    var access: AccessFlags = [.remoteWrite, .remoteRead, .remoteAtomic]
    /// As `enum ibv_mtu`: 1 to 5 for 256 to 4096 bytes.
    var pathMTU: UInt32 = 3
    var sendPSN: UInt32 = 0
    var receivePSN: UInt32 = 0
    var timeout: UInt8 = 14
    var retryCount: UInt8 = 3
    var rnrRetry: UInt8 = 3
    var minRNRTimer: UInt8 = 12
    var maxReadAtomic: UInt8 = 16
    var maxDestinationReadAtomic: UInt8 = 16
    /// The own address, as an index in the GID table.
    var sourceIndex: UInt8 = 0
    var destination = GID.zero
    var destinationNumber: UInt32 = 0

    /// RESET to INIT.
    var initialize: vrdma_qp_attributes {
        attributes(.initialized, [.pkeyIndex, .port, .accessFlags])
    }

    /// INIT to RTR.
    var readyToReceive: vrdma_qp_attributes {
        attributes(
            .readyToReceive,
            [.addressVector, .pathMTU, .destinationQueuePair, .receivePSN, .maxDestinationReadAtomic, .minRNRTimer])
    }

    /// RTR to RTS.
    var readyToSend: vrdma_qp_attributes {
        attributes(.readyToSend, [.timeout, .retryCount, .rnrRetry, .sendPSN, .maxReadAtomic])
    }

    /// All attributes, of which `mask` and the state count.
    func attributes(_ state: QueuePairState, _ mask: AttributeMask) -> vrdma_qp_attributes {
        var result = vrdma_qp_attributes()
        result.attribute_mask = mask.union(.state).rawValue
        result.qp_state = state.rawValue
        result.port_number = 1
        result.access_flags = access.rawValue
        result.path_mtu = pathMTU
        result.destination_qp_number = destinationNumber
        result.rq_psn = receivePSN
        result.sq_psn = sendPSN
        result.max_rd_atomic = maxReadAtomic
        result.max_destination_rd_atomic = maxDestinationReadAtomic
        result.min_rnr_timer = minRNRTimer
        result.timeout = timeout
        result.retry_count = retryCount
        result.rnr_retry = rnrRetry
        result.is_global = 1
        result.hop_limit = 1
        result.source_gid_index = sourceIndex
        result.address_port_number = 1
        withUnsafeMutableBytes(of: &result.destination_gid) { $0.copyBytes(from: destination.bytes) }
        return result
    }
}

extension SimulatedQueuePair {
    /// From RESET to RTR.
    func becomeReadyToReceive(_ connection: Connection) throws(Errno) {
        try modify(connection.initialize)
        try modify(connection.readyToReceive)
    }

    /// From RESET to RTS.
    func connect(_ connection: Connection) throws(Errno) {
        try becomeReadyToReceive(connection)
        try modify(connection.readyToSend)
    }
}

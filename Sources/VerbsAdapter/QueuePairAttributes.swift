import CRDMACore
import CVRDMAABI
import Verbs

/// The attributes of a queue pair, between the ABI's and the library's form.
enum QueuePairAttributes {
    /// What an RC queue pair of a guest may have changed. Alternate paths would need addresses of their own.
    static let permittedMask: UInt32 = [
        IBV_QP_STATE, IBV_QP_CUR_STATE, IBV_QP_EN_SQD_ASYNC_NOTIFY, IBV_QP_ACCESS_FLAGS, IBV_QP_PKEY_INDEX,
        IBV_QP_PORT, IBV_QP_AV, IBV_QP_PATH_MTU, IBV_QP_TIMEOUT, IBV_QP_RETRY_CNT, IBV_QP_RNR_RETRY, IBV_QP_RQ_PSN,
        IBV_QP_MAX_QP_RD_ATOMIC, IBV_QP_MIN_RNR_TIMER, IBV_QP_SQ_PSN, IBV_QP_MAX_DEST_RD_ATOMIC, IBV_QP_DEST_QPN,
    ].reduce(0) { $0 | $1.rawValue }

    static func names(_ mask: ibv_qp_attr_mask, in attributes: vrdma_qp_attributes) -> Bool {
        attributes.attribute_mask & mask.rawValue != 0
    }

    /// For the device: its own port, and its own index of the guest's address.
    static func ofDevice(_ attributes: vrdma_qp_attributes, port: UInt8, sourceIndex: UInt8) -> ibv_qp_attr {
        var result = ibv_qp_attr()
        result.qp_state = ibv_qp_state(rawValue: attributes.qp_state)
        result.cur_qp_state = ibv_qp_state(rawValue: attributes.current_qp_state)
        result.path_mtu = ibv_mtu(rawValue: attributes.path_mtu)
        result.rq_psn = attributes.rq_psn
        result.sq_psn = attributes.sq_psn
        result.dest_qp_num = attributes.destination_qp_number
        result.qp_access_flags = attributes.access_flags
        result.pkey_index = attributes.pkey_index
        result.en_sqd_async_notify = attributes.enable_sqd_async_notify
        result.max_rd_atomic = attributes.max_rd_atomic
        result.max_dest_rd_atomic = attributes.max_destination_rd_atomic
        result.min_rnr_timer = attributes.min_rnr_timer
        result.port_num = port
        result.timeout = attributes.timeout
        result.retry_cnt = attributes.retry_count
        result.rnr_retry = attributes.rnr_retry
        result.ah_attr.is_global = attributes.is_global
        result.ah_attr.dlid = attributes.destination_lid
        result.ah_attr.sl = attributes.service_level
        result.ah_attr.src_path_bits = attributes.source_path_bits
        result.ah_attr.static_rate = attributes.static_rate
        result.ah_attr.port_num = port
        result.ah_attr.grh.sgid_index = sourceIndex
        result.ah_attr.grh.flow_label = attributes.flow_label
        result.ah_attr.grh.hop_limit = attributes.hop_limit
        result.ah_attr.grh.traffic_class = attributes.traffic_class
        withUnsafeMutableBytes(of: &result.ah_attr.grh.dgid) { to in
            withUnsafeBytes(of: attributes.destination_gid) { to.copyMemory(from: $0) }
        }
        return result
    }

    /// What the device says; the mask tells nothing, and the index of the source address is the device's.
    static func ofGuest(_ attributes: ibv_qp_attr) -> vrdma_qp_attributes {
        var result = vrdma_qp_attributes()
        result.qp_state = attributes.qp_state.rawValue
        result.current_qp_state = attributes.cur_qp_state.rawValue
        result.path_mtu = attributes.path_mtu.rawValue
        result.path_migration_state = attributes.path_mig_state.rawValue
        result.qkey = attributes.qkey
        result.rq_psn = attributes.rq_psn
        result.sq_psn = attributes.sq_psn
        result.destination_qp_number = attributes.dest_qp_num
        result.access_flags = attributes.qp_access_flags
        result.flow_label = attributes.ah_attr.grh.flow_label
        result.pkey_index = attributes.pkey_index
        result.destination_lid = attributes.ah_attr.dlid
        result.source_gid_index = attributes.ah_attr.grh.sgid_index
        result.hop_limit = attributes.ah_attr.grh.hop_limit
        result.traffic_class = attributes.ah_attr.grh.traffic_class
        result.service_level = attributes.ah_attr.sl
        result.source_path_bits = attributes.ah_attr.src_path_bits
        result.static_rate = attributes.ah_attr.static_rate
        result.is_global = attributes.ah_attr.is_global
        result.address_port_number = attributes.ah_attr.port_num
        result.enable_sqd_async_notify = attributes.en_sqd_async_notify
        result.sq_draining = attributes.sq_draining
        result.max_rd_atomic = attributes.max_rd_atomic
        result.max_destination_rd_atomic = attributes.max_dest_rd_atomic
        result.min_rnr_timer = attributes.min_rnr_timer
        result.port_number = attributes.port_num
        result.timeout = attributes.timeout
        result.retry_count = attributes.retry_cnt
        result.rnr_retry = attributes.rnr_retry
        withUnsafeMutableBytes(of: &result.destination_gid) { to in
            withUnsafeBytes(of: attributes.ah_attr.grh.dgid) { to.copyMemory(from: $0) }
        }
        return result
    }
}

import CIBVerbsObjects
import CVRDMAABI
import Glibc
import Provider
import Verbs

extension QueuePairCapabilities {
    init(_ capabilities: ibv_qp_cap) {
        self.init(
            maxSendRequests: capabilities.max_send_wr, maxReceiveRequests: capabilities.max_recv_wr,
            maxSendElements: capabilities.max_send_sge, maxReceiveElements: capabilities.max_recv_sge,
            maxInlineBytes: capabilities.max_inline_data)
    }
}

extension ibv_qp_cap {
    init(_ capabilities: QueuePairCapabilities) {
        self.init(
            max_send_wr: capabilities.maxSendRequests, max_recv_wr: capabilities.maxReceiveRequests,
            max_send_sge: capabilities.maxSendElements, max_recv_sge: capabilities.maxReceiveElements,
            max_inline_data: capabilities.maxInlineBytes)
    }
}

extension ibv_qp_attr {
    /// What goes to the endpoint: all attributes, of which `mask` (`enum ibv_qp_attr_mask`) tells the valid ones.
    func providerAttributes(mask: UInt32) -> vrdma_qp_attributes {
        var result = vrdma_qp_attributes()
        result.attribute_mask = mask
        result.qp_state = qp_state.rawValue
        result.current_qp_state = cur_qp_state.rawValue
        result.path_mtu = path_mtu.rawValue
        result.path_migration_state = path_mig_state.rawValue
        result.qkey = qkey
        result.rq_psn = rq_psn
        result.sq_psn = sq_psn
        result.destination_qp_number = dest_qp_num
        result.access_flags = qp_access_flags
        result.pkey_index = pkey_index
        result.alternate_pkey_index = alt_pkey_index
        result.enable_sqd_async_notify = en_sqd_async_notify
        result.max_rd_atomic = max_rd_atomic
        result.max_destination_rd_atomic = max_dest_rd_atomic
        result.min_rnr_timer = min_rnr_timer
        result.port_number = port_num
        result.timeout = timeout
        result.retry_count = retry_cnt
        result.rnr_retry = rnr_retry
        result.alternate_port_number = alt_port_num
        result.alternate_timeout = alt_timeout
        result.rate_limit = rate_limit
        result.setAddress(ah_attr)
        return result
    }

    /// What the endpoint answered.
    init(_ attributes: vrdma_qp_attributes, _ capabilities: ibv_qp_cap) {
        self.init()
        qp_state = ibv_qp_state(rawValue: attributes.qp_state)
        cur_qp_state = ibv_qp_state(rawValue: attributes.current_qp_state)
        path_mtu = ibv_mtu(rawValue: attributes.path_mtu)
        path_mig_state = ibv_mig_state(rawValue: attributes.path_migration_state)
        qkey = attributes.qkey
        rq_psn = attributes.rq_psn
        sq_psn = attributes.sq_psn
        dest_qp_num = attributes.destination_qp_number
        qp_access_flags = attributes.access_flags
        cap = capabilities
        ah_attr = attributes.address
        pkey_index = attributes.pkey_index
        alt_pkey_index = attributes.alternate_pkey_index
        en_sqd_async_notify = attributes.enable_sqd_async_notify
        sq_draining = attributes.sq_draining
        max_rd_atomic = attributes.max_rd_atomic
        max_dest_rd_atomic = attributes.max_destination_rd_atomic
        min_rnr_timer = attributes.min_rnr_timer
        port_num = attributes.port_number
        timeout = attributes.timeout
        retry_cnt = attributes.retry_count
        rnr_retry = attributes.rnr_retry
        alt_port_num = attributes.alternate_port_number
        alt_timeout = attributes.alternate_timeout
        rate_limit = attributes.rate_limit
    }
}

extension vrdma_qp_attributes {
    fileprivate mutating func setAddress(_ address: ibv_ah_attr) {
        var address = address
        memcpy(&destination_gid, &address.grh.dgid, MemoryLayout<ibv_gid>.size)
        flow_label = address.grh.flow_label
        source_gid_index = address.grh.sgid_index
        hop_limit = address.grh.hop_limit
        traffic_class = address.grh.traffic_class
        destination_lid = address.dlid
        service_level = address.sl
        source_path_bits = address.src_path_bits
        static_rate = address.static_rate
        is_global = address.is_global
        address_port_number = address.port_num
    }

    fileprivate var address: ibv_ah_attr {
        var attributes = self
        var address = ibv_ah_attr()
        memcpy(&address.grh.dgid, &attributes.destination_gid, MemoryLayout<ibv_gid>.size)
        address.grh.flow_label = flow_label
        address.grh.sgid_index = source_gid_index
        address.grh.hop_limit = hop_limit
        address.grh.traffic_class = traffic_class
        address.dlid = destination_lid
        address.sl = service_level
        address.src_path_bits = source_path_bits
        address.static_rate = static_rate
        address.is_global = is_global
        address.port_num = address_port_number
        return address
    }
}

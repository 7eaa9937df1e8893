// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions bear the names of the C interface.

import CIBVerbsObjects
import CVRDMAABI
import Glibc
import Provider
import Verbs

/// The attributes of a device (ibv_query_device(3)).
@c @implementation public func ibv_query_device(
    _ context: UnsafeMutablePointer<ibv_context>?, _ device_attr: UnsafeMutablePointer<ibv_device_attr>?
) -> CInt {
    guard let context, let device_attr else { return failing(.invalidArgument) }
    guard let opened = provider(of: context) else { return failing(.inputOutput) }
    do {
        device_attr.pointee = try opened.queryDevice().attributes
        return 0
    } catch {
        return failing(error)
    }
}

/// The extended attributes of a device, as many as fit into `sizeBytes` (ibv_query_device_ex(3)).
@c func queryDevice(
    _ context: UnsafeMutablePointer<ibv_context>?, _ input: UnsafePointer<ibv_query_device_ex_input>?,
    _ attributes: UnsafeMutablePointer<ibv_device_attr_ex>?, _ sizeBytes: Int
) -> CInt {
    guard let context, let attributes, sizeBytes >= MemoryLayout<ibv_device_attr>.size else {
        return failing(.invalidArgument)
    }
    if let input, input.pointee.comp_mask != 0 { return failing(.invalidArgument) }
    guard let opened = provider(of: context) else { return failing(.inputOutput) }
    do {
        var extended = ibv_device_attr_ex()
        extended.orig_attr = try opened.queryDevice().attributes
        extended.completion_timestamp_mask = DeviceClock.mask
        extended.hca_core_clock = DeviceClock.kilohertz
        extended.device_cap_flags_ex = UInt64(extended.orig_attr.device_cap_flags)
        extended.phys_port_cnt_ex = UInt32(extended.orig_attr.phys_port_cnt)
        memset(attributes, 0, sizeBytes)
        memcpy(attributes, &extended, min(sizeBytes, MemoryLayout<ibv_device_attr_ex>.size))
        return 0
    } catch {
        return failing(error)
    }
}

extension vrdma_query_device_reply {
    fileprivate var attributes: ibv_device_attr {
        var attributes = ibv_device_attr()
        write(
            "\(VRDMA_ABI_MAJOR).\(VRDMA_ABI_MINOR)", into: &attributes.fw_ver,
            capacity: MemoryLayout.size(ofValue: attributes.fw_ver))
        attributes.node_guid = node_guid
        attributes.sys_image_guid = node_guid
        attributes.max_mr_size = max_mr_size_bytes
        attributes.page_size_cap = page_size_cap
        attributes.vendor_id = vendor_id
        attributes.vendor_part_id = vendor_part_id
        attributes.hw_ver = hardware_version
        attributes.max_qp = CInt(clamping: max_qp)
        attributes.max_qp_wr = CInt(clamping: max_qp_wr)
        attributes.device_cap_flags = device_cap_flags
        attributes.max_sge = CInt(clamping: max_sge)
        attributes.max_sge_rd = CInt(clamping: max_sge)
        attributes.max_cq = CInt(clamping: max_cq)
        attributes.max_cqe = CInt(clamping: max_cqe)
        attributes.max_mr = CInt(clamping: max_mr)
        attributes.max_pd = CInt(clamping: max_pd)
        attributes.max_qp_rd_atom = CInt(clamping: max_qp_rd_atom)
        attributes.max_res_rd_atom = CInt(clamping: max_res_rd_atom)
        attributes.max_qp_init_rd_atom = CInt(clamping: max_qp_init_rd_atom)
        attributes.atomic_cap = ibv_atomic_cap(rawValue: atomic_capability)
        attributes.max_pkeys = 1
        attributes.local_ca_ack_delay = softwareAckDelay
        attributes.phys_port_cnt = UInt8(clamping: port_count)
        return attributes
    }
}

/// 4.096 µs × 2^15: what a program that shares processors with others may take to answer (IBA 11.2.1.2).
private let softwareAckDelay: UInt8 = 15

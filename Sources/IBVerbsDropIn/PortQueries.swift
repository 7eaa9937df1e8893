// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions bear the names of the C interface.

import CIBVerbsObjects
import CVRDMAABI
import Glibc
import Provider
import Verbs

/// The attributes of a port for programs that were linked before struct ibv_port_attr grew (ibv_query_port(3)).
@c @implementation public func ibv_query_port(
    _ context: UnsafeMutablePointer<ibv_context>?, _ port_num: UInt8, _ port_attr: OpaquePointer?
) -> CInt {
    guard let port_attr else { return failing(.invalidArgument) }
    let oldSize = MemoryLayout<ibv_port_attr>.offset(of: \.port_cap_flags2) ?? 0
    let attributes = UnsafeMutableRawPointer(port_attr).assumingMemoryBound(to: ibv_port_attr.self)
    return queryPort(context, port_num, attributes, oldSize)
}

/// The attributes of a port, as many as fit into `sizeBytes` (ibv_query_port(3)).
@c func queryPort(
    _ context: UnsafeMutablePointer<ibv_context>?, _ portNumber: UInt8,
    _ attributes: UnsafeMutablePointer<ibv_port_attr>?, _ sizeBytes: Int
) -> CInt {
    guard let context, let attributes, sizeBytes > 0 else { return failing(.invalidArgument) }
    guard let opened = provider(of: context) else { return failing(.inputOutput) }
    do {
        var full = try opened.queryPort(portNumber).attributes
        memset(attributes, 0, sizeBytes)
        memcpy(attributes, &full, min(sizeBytes, MemoryLayout<ibv_port_attr>.size))
        return 0
    } catch {
        return failing(error)
    }
}

/// A P_Key, in network byte order (ibv_query_pkey(3)).
@c @implementation public func ibv_query_pkey(
    _ context: UnsafeMutablePointer<ibv_context>?, _ port_num: UInt8, _ index: CInt,
    _ pkey: UnsafeMutablePointer<UInt16>?
) -> CInt {
    guard let context, let pkey, let index = UInt16(exactly: index) else {
        return failing(.invalidArgument, with: -1)
    }
    guard let opened = provider(of: context) else { return failing(.inputOutput, with: -1) }
    do {
        pkey.pointee = try opened.queryPKey(index: index, port: port_num).bigEndian
        return 0
    } catch {
        return failing(error, with: -1)
    }
}

/// The index of a P_Key, which is in network byte order (ibv_get_pkey_index(3)).
@c @implementation public func ibv_get_pkey_index(
    _ context: UnsafeMutablePointer<ibv_context>?, _ port_num: UInt8, _ pkey: UInt16
) -> CInt {
    guard let context else { return failing(.invalidArgument, with: -1) }
    guard let opened = provider(of: context) else { return failing(.inputOutput, with: -1) }
    do {
        let entries = try opened.queryPort(port_num).pkey_table_entries
        for index in 0..<UInt16(clamping: entries)
        where try opened.queryPKey(index: index, port: port_num).bigEndian == pkey {
            return CInt(index)
        }
        return failing(.invalidArgument, with: -1)
    } catch {
        return failing(error, with: -1)
    }
}

extension vrdma_query_port_reply {
    fileprivate var attributes: ibv_port_attr {
        var attributes = ibv_port_attr()
        attributes.state = ibv_port_state(rawValue: state)
        attributes.max_mtu = ibv_mtu(rawValue: max_mtu)
        attributes.active_mtu = ibv_mtu(rawValue: active_mtu)
        attributes.gid_tbl_len = CInt(clamping: gid_table_entries)
        attributes.port_cap_flags = port_cap_flags
        attributes.max_msg_sz = max_message_bytes
        attributes.pkey_tbl_len = UInt16(clamping: pkey_table_entries)
        attributes.max_vl_num = 1
        attributes.active_width = UInt8(clamping: active_width)
        attributes.active_speed = UInt8(clamping: active_speed)
        attributes.phys_state = UInt8(clamping: physical_state)
        attributes.link_layer = UInt8(clamping: link_layer)
        attributes.flags = globalRouteRequired
        return attributes
    }
}

/// `IBV_QPF_GRH_REQUIRED`: an address on Ethernet is a GID (IBA annex A16).
private let globalRouteRequired: UInt8 = 1

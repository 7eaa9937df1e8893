// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions bear the names of the C interface.

import CIBVerbsObjects

// The words are those of rdma-core 44, because programs print them and scripts look for them.

private let completionStatuses: [StaticString] = [
    "success", "local length error", "local QP operation error", "local EE context operation error",
    "local protection error", "Work Request Flushed Error", "memory management operation error",
    "bad response error", "local access error", "remote invalid request error", "remote access error",
    "remote operation error", "transport retry counter exceeded", "RNR retry counter exceeded",
    "local RDD violation error", "remote invalid RD request", "aborted error", "invalid EE context number",
    "invalid EE context state", "fatal error", "response timeout error", "general error", "TM error",
    "TM software rendezvous",
]

private let portStates: [StaticString] = [
    "no state change (NOP)", "down", "init", "armed", "active", "active defer",
]

private let eventTypes: [StaticString] = [
    "CQ error", "local work queue catastrophic error", "invalid request local work queue error",
    "local access violation work queue error", "communication established", "send queue drained", "path migrated",
    "path migration request error", "local catastrophic error", "port active", "port error", "LID change",
    "P_Key change", "SM change", "SRQ catastrophic error", "SRQ limit reached", "last WQE reached",
    "client reregistration", "GID table change", "WQ fatal",
]

/// From 1 on.
private let nodeTypes: [StaticString] = [
    "InfiniBand channel adapter", "InfiniBand switch", "InfiniBand router", "iWARP NIC", "usNIC", "usNIC UDP",
    "unspecified",
]

/// The text of a completion status (ibv_poll_cq(3)).
@c @implementation public func ibv_wc_status_str(_ status: ibv_wc_status) -> UnsafePointer<CChar>! {
    staticText(completionStatuses, at: Int64(status.rawValue))
}

/// The text of a port state (ibv_query_port(3)).
@c @implementation public func ibv_port_state_str(_ port_state: ibv_port_state) -> UnsafePointer<CChar>! {
    staticText(portStates, at: Int64(port_state.rawValue))
}

/// The text of an asynchronous event (ibv_event_type_str(3)).
@c @implementation public func ibv_event_type_str(_ event: ibv_event_type) -> UnsafePointer<CChar>! {
    staticText(eventTypes, at: Int64(event.rawValue))
}

/// The text of a node type (ibv_get_device_list(3)).
@c @implementation public func ibv_node_type_str(_ node_type: ibv_node_type) -> UnsafePointer<CChar>! {
    staticText(nodeTypes, at: Int64(node_type.rawValue) - 1)
}

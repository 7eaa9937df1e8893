// Made by scripts/generate-dropin-stubs from libibverbs.symbols: what libibverbs exports and this library does not offer.
// Arguments are not declared, because they are not looked at.

import Glibc

/// Says through `errno` that a function is not offered.
private func failing() -> CInt {
    errno = EOPNOTSUPP
    return EOPNOTSUPP
}

/// Says through `errno` that a function is not offered, and answers with `result`.
private func failing<Result>(with result: Result) -> Result {
    errno = EOPNOTSUPP
    return result
}

/// `__ioctl_final_num_attrs` is not offered.
@c(__ioctl_final_num_attrs) public func ioctlFinalNumAttrs() -> CUnsignedInt {
    failing(with: 0)
}

/// `__verbs_log` is not offered.
@c(__verbs_log) public func verbsLog() {
    _ = failing()
}

/// `_verbs_init_and_alloc_context` is not offered.
@c(_verbs_init_and_alloc_context) public func verbsInitAndAllocContext() -> UnsafeMutableRawPointer? {
    failing(with: nil)
}

/// `execute_ioctl` is not offered.
@c(execute_ioctl) public func executeIoctl() -> CInt {
    failing()
}

/// `ibv_attach_mcast` is not offered.
@c(ibv_attach_mcast) public func ibvAttachMcast() -> CInt {
    failing()
}

/// `ibv_cmd_advise_mr` is not offered.
@c(ibv_cmd_advise_mr) public func ibvCmdAdviseMr() -> CInt {
    failing()
}

/// `ibv_cmd_alloc_dm` is not offered.
@c(ibv_cmd_alloc_dm) public func ibvCmdAllocDm() -> CInt {
    failing()
}

/// `ibv_cmd_alloc_mw` is not offered.
@c(ibv_cmd_alloc_mw) public func ibvCmdAllocMw() -> CInt {
    failing()
}

/// `ibv_cmd_alloc_pd` is not offered.
@c(ibv_cmd_alloc_pd) public func ibvCmdAllocPd() -> CInt {
    failing()
}

/// `ibv_cmd_attach_mcast` is not offered.
@c(ibv_cmd_attach_mcast) public func ibvCmdAttachMcast() -> CInt {
    failing()
}

/// `ibv_cmd_close_xrcd` is not offered.
@c(ibv_cmd_close_xrcd) public func ibvCmdCloseXrcd() -> CInt {
    failing()
}

/// `ibv_cmd_create_ah` is not offered.
@c(ibv_cmd_create_ah) public func ibvCmdCreateAh() -> CInt {
    failing()
}

/// `ibv_cmd_create_counters` is not offered.
@c(ibv_cmd_create_counters) public func ibvCmdCreateCounters() -> CInt {
    failing()
}

/// `ibv_cmd_create_cq` is not offered.
@c(ibv_cmd_create_cq) public func ibvCmdCreateCq() -> CInt {
    failing()
}

/// `ibv_cmd_create_cq_ex` is not offered.
@c(ibv_cmd_create_cq_ex) public func ibvCmdCreateCqEx() -> CInt {
    failing()
}

/// `ibv_cmd_create_flow` is not offered.
@c(ibv_cmd_create_flow) public func ibvCmdCreateFlow() -> CInt {
    failing()
}

/// `ibv_cmd_create_flow_action_esp` is not offered.
@c(ibv_cmd_create_flow_action_esp) public func ibvCmdCreateFlowActionEsp() -> CInt {
    failing()
}

/// `ibv_cmd_create_qp` is not offered.
@c(ibv_cmd_create_qp) public func ibvCmdCreateQp() -> CInt {
    failing()
}

/// `ibv_cmd_create_qp_ex` is not offered.
@c(ibv_cmd_create_qp_ex) public func ibvCmdCreateQpEx() -> CInt {
    failing()
}

/// `ibv_cmd_create_qp_ex2` is not offered.
@c(ibv_cmd_create_qp_ex2) public func ibvCmdCreateQpEx2() -> CInt {
    failing()
}

/// `ibv_cmd_create_rwq_ind_table` is not offered.
@c(ibv_cmd_create_rwq_ind_table) public func ibvCmdCreateRwqIndTable() -> CInt {
    failing()
}

/// `ibv_cmd_create_srq` is not offered.
@c(ibv_cmd_create_srq) public func ibvCmdCreateSrq() -> CInt {
    failing()
}

/// `ibv_cmd_create_srq_ex` is not offered.
@c(ibv_cmd_create_srq_ex) public func ibvCmdCreateSrqEx() -> CInt {
    failing()
}

/// `ibv_cmd_create_wq` is not offered.
@c(ibv_cmd_create_wq) public func ibvCmdCreateWq() -> CInt {
    failing()
}

/// `ibv_cmd_dealloc_mw` is not offered.
@c(ibv_cmd_dealloc_mw) public func ibvCmdDeallocMw() -> CInt {
    failing()
}

/// `ibv_cmd_dealloc_pd` is not offered.
@c(ibv_cmd_dealloc_pd) public func ibvCmdDeallocPd() -> CInt {
    failing()
}

/// `ibv_cmd_dereg_mr` is not offered.
@c(ibv_cmd_dereg_mr) public func ibvCmdDeregMr() -> CInt {
    failing()
}

/// `ibv_cmd_destroy_ah` is not offered.
@c(ibv_cmd_destroy_ah) public func ibvCmdDestroyAh() -> CInt {
    failing()
}

/// `ibv_cmd_destroy_counters` is not offered.
@c(ibv_cmd_destroy_counters) public func ibvCmdDestroyCounters() -> CInt {
    failing()
}

/// `ibv_cmd_destroy_cq` is not offered.
@c(ibv_cmd_destroy_cq) public func ibvCmdDestroyCq() -> CInt {
    failing()
}

/// `ibv_cmd_destroy_flow` is not offered.
@c(ibv_cmd_destroy_flow) public func ibvCmdDestroyFlow() -> CInt {
    failing()
}

/// `ibv_cmd_destroy_flow_action` is not offered.
@c(ibv_cmd_destroy_flow_action) public func ibvCmdDestroyFlowAction() -> CInt {
    failing()
}

/// `ibv_cmd_destroy_qp` is not offered.
@c(ibv_cmd_destroy_qp) public func ibvCmdDestroyQp() -> CInt {
    failing()
}

/// `ibv_cmd_destroy_rwq_ind_table` is not offered.
@c(ibv_cmd_destroy_rwq_ind_table) public func ibvCmdDestroyRwqIndTable() -> CInt {
    failing()
}

/// `ibv_cmd_destroy_srq` is not offered.
@c(ibv_cmd_destroy_srq) public func ibvCmdDestroySrq() -> CInt {
    failing()
}

/// `ibv_cmd_destroy_wq` is not offered.
@c(ibv_cmd_destroy_wq) public func ibvCmdDestroyWq() -> CInt {
    failing()
}

/// `ibv_cmd_detach_mcast` is not offered.
@c(ibv_cmd_detach_mcast) public func ibvCmdDetachMcast() -> CInt {
    failing()
}

/// `ibv_cmd_free_dm` is not offered.
@c(ibv_cmd_free_dm) public func ibvCmdFreeDm() -> CInt {
    failing()
}

/// `ibv_cmd_get_context` is not offered.
@c(ibv_cmd_get_context) public func ibvCmdGetContext() -> CInt {
    failing()
}

/// `ibv_cmd_modify_cq` is not offered.
@c(ibv_cmd_modify_cq) public func ibvCmdModifyCq() -> CInt {
    failing()
}

/// `ibv_cmd_modify_flow_action_esp` is not offered.
@c(ibv_cmd_modify_flow_action_esp) public func ibvCmdModifyFlowActionEsp() -> CInt {
    failing()
}

/// `ibv_cmd_modify_qp` is not offered.
@c(ibv_cmd_modify_qp) public func ibvCmdModifyQp() -> CInt {
    failing()
}

/// `ibv_cmd_modify_qp_ex` is not offered.
@c(ibv_cmd_modify_qp_ex) public func ibvCmdModifyQpEx() -> CInt {
    failing()
}

/// `ibv_cmd_modify_srq` is not offered.
@c(ibv_cmd_modify_srq) public func ibvCmdModifySrq() -> CInt {
    failing()
}

/// `ibv_cmd_modify_wq` is not offered.
@c(ibv_cmd_modify_wq) public func ibvCmdModifyWq() -> CInt {
    failing()
}

/// `ibv_cmd_open_qp` is not offered.
@c(ibv_cmd_open_qp) public func ibvCmdOpenQp() -> CInt {
    failing()
}

/// `ibv_cmd_open_xrcd` is not offered.
@c(ibv_cmd_open_xrcd) public func ibvCmdOpenXrcd() -> CInt {
    failing()
}

/// `ibv_cmd_poll_cq` is not offered.
@c(ibv_cmd_poll_cq) public func ibvCmdPollCq() -> CInt {
    failing(with: -1)
}

/// `ibv_cmd_post_recv` is not offered.
@c(ibv_cmd_post_recv) public func ibvCmdPostRecv() -> CInt {
    failing()
}

/// `ibv_cmd_post_send` is not offered.
@c(ibv_cmd_post_send) public func ibvCmdPostSend() -> CInt {
    failing()
}

/// `ibv_cmd_post_srq_recv` is not offered.
@c(ibv_cmd_post_srq_recv) public func ibvCmdPostSrqRecv() -> CInt {
    failing()
}

/// `ibv_cmd_query_context` is not offered.
@c(ibv_cmd_query_context) public func ibvCmdQueryContext() -> CInt {
    failing()
}

/// `ibv_cmd_query_device_any` is not offered.
@c(ibv_cmd_query_device_any) public func ibvCmdQueryDeviceAny() -> CInt {
    failing()
}

/// `ibv_cmd_query_mr` is not offered.
@c(ibv_cmd_query_mr) public func ibvCmdQueryMr() -> CInt {
    failing()
}

/// `ibv_cmd_query_port` is not offered.
@c(ibv_cmd_query_port) public func ibvCmdQueryPort() -> CInt {
    failing()
}

/// `ibv_cmd_query_qp` is not offered.
@c(ibv_cmd_query_qp) public func ibvCmdQueryQp() -> CInt {
    failing()
}

/// `ibv_cmd_query_srq` is not offered.
@c(ibv_cmd_query_srq) public func ibvCmdQuerySrq() -> CInt {
    failing()
}

/// `ibv_cmd_read_counters` is not offered.
@c(ibv_cmd_read_counters) public func ibvCmdReadCounters() -> CInt {
    failing()
}

/// `ibv_cmd_reg_dm_mr` is not offered.
@c(ibv_cmd_reg_dm_mr) public func ibvCmdRegDmMr() -> CInt {
    failing()
}

/// `ibv_cmd_reg_dmabuf_mr` is not offered.
@c(ibv_cmd_reg_dmabuf_mr) public func ibvCmdRegDmabufMr() -> CInt {
    failing()
}

/// `ibv_cmd_reg_mr` is not offered.
@c(ibv_cmd_reg_mr) public func ibvCmdRegMr() -> CInt {
    failing()
}

/// `ibv_cmd_req_notify_cq` is not offered.
@c(ibv_cmd_req_notify_cq) public func ibvCmdReqNotifyCq() -> CInt {
    failing()
}

/// `ibv_cmd_rereg_mr` is not offered.
@c(ibv_cmd_rereg_mr) public func ibvCmdReregMr() -> CInt {
    failing()
}

/// `ibv_cmd_resize_cq` is not offered.
@c(ibv_cmd_resize_cq) public func ibvCmdResizeCq() -> CInt {
    failing()
}

/// `ibv_copy_ah_attr_from_kern` is not offered.
@c(ibv_copy_ah_attr_from_kern) public func ibvCopyAhAttrFromKern() {
    _ = failing()
}

/// `ibv_copy_path_rec_from_kern` is not offered.
@c(ibv_copy_path_rec_from_kern) public func ibvCopyPathRecFromKern() {
    _ = failing()
}

/// `ibv_copy_path_rec_to_kern` is not offered.
@c(ibv_copy_path_rec_to_kern) public func ibvCopyPathRecToKern() {
    _ = failing()
}

/// `ibv_copy_qp_attr_from_kern` is not offered.
@c(ibv_copy_qp_attr_from_kern) public func ibvCopyQpAttrFromKern() {
    _ = failing()
}

/// `ibv_create_ah` is not offered.
@c(ibv_create_ah) public func ibvCreateAh() -> UnsafeMutableRawPointer? {
    failing(with: nil)
}

/// `ibv_create_ah_from_wc` is not offered.
@c(ibv_create_ah_from_wc) public func ibvCreateAhFromWc() -> UnsafeMutableRawPointer? {
    failing(with: nil)
}

/// `ibv_create_srq` is not offered.
@c(ibv_create_srq) public func ibvCreateSrq() -> UnsafeMutableRawPointer? {
    failing(with: nil)
}

/// `ibv_destroy_ah` is not offered.
@c(ibv_destroy_ah) public func ibvDestroyAh() -> CInt {
    failing()
}

/// `ibv_destroy_srq` is not offered.
@c(ibv_destroy_srq) public func ibvDestroySrq() -> CInt {
    failing()
}

/// `ibv_detach_mcast` is not offered.
@c(ibv_detach_mcast) public func ibvDetachMcast() -> CInt {
    failing()
}

/// `ibv_import_device` is not offered.
@c(ibv_import_device) public func ibvImportDevice() -> UnsafeMutableRawPointer? {
    failing(with: nil)
}

/// `ibv_import_dm` is not offered.
@c(ibv_import_dm) public func ibvImportDm() -> UnsafeMutableRawPointer? {
    failing(with: nil)
}

/// `ibv_import_mr` is not offered.
@c(ibv_import_mr) public func ibvImportMr() -> UnsafeMutableRawPointer? {
    failing(with: nil)
}

/// `ibv_import_pd` is not offered.
@c(ibv_import_pd) public func ibvImportPd() -> UnsafeMutableRawPointer? {
    failing(with: nil)
}

/// `ibv_init_ah_from_wc` is not offered.
@c(ibv_init_ah_from_wc) public func ibvInitAhFromWc() -> CInt {
    failing(with: -1)
}

/// `ibv_modify_srq` is not offered.
@c(ibv_modify_srq) public func ibvModifySrq() -> CInt {
    failing()
}

/// `ibv_query_ece` is not offered.
@c(ibv_query_ece) public func ibvQueryEce() -> CInt {
    failing()
}

/// `ibv_query_srq` is not offered.
@c(ibv_query_srq) public func ibvQuerySrq() -> CInt {
    failing()
}

/// `ibv_read_ibdev_sysfs_file` is not offered.
@c(ibv_read_ibdev_sysfs_file) public func ibvReadIbdevSysfsFile() -> CInt {
    failing(with: -1)
}

/// `ibv_reg_dmabuf_mr` is not offered.
@c(ibv_reg_dmabuf_mr) public func ibvRegDmabufMr() -> UnsafeMutableRawPointer? {
    failing(with: nil)
}

/// `ibv_rereg_mr` is not offered.
@c(ibv_rereg_mr) public func ibvReregMr() -> CInt {
    failing(with: -1)
}

/// `ibv_resize_cq` is not offered.
@c(ibv_resize_cq) public func ibvResizeCq() -> CInt {
    failing()
}

/// `ibv_resolve_eth_l2_from_gid` is not offered.
@c(ibv_resolve_eth_l2_from_gid) public func ibvResolveEthL2FromGid() -> CInt {
    failing(with: -1)
}

/// `ibv_set_ece` is not offered.
@c(ibv_set_ece) public func ibvSetEce() -> CInt {
    failing()
}

/// `ibv_unimport_dm` is not offered.
@c(ibv_unimport_dm) public func ibvUnimportDm() {
    _ = failing()
}

/// `ibv_unimport_mr` is not offered.
@c(ibv_unimport_mr) public func ibvUnimportMr() {
    _ = failing()
}

/// `ibv_unimport_pd` is not offered.
@c(ibv_unimport_pd) public func ibvUnimportPd() {
    _ = failing()
}

/// `verbs_init_cq` is not offered.
@c(verbs_init_cq) public func verbsInitCq() {
    _ = failing()
}

/// `verbs_open_device` is not offered.
@c(verbs_open_device) public func verbsOpenDevice() -> UnsafeMutableRawPointer? {
    failing(with: nil)
}

/// `verbs_register_driver_34` is not offered.
@c(verbs_register_driver_34) public func verbsRegisterDriver34() {
    _ = failing()
}

/// `verbs_set_ops` is not offered.
@c(verbs_set_ops) public func verbsSetOps() {
    _ = failing()
}

/// `verbs_uninit_context` is not offered.
@c(verbs_uninit_context) public func verbsUninitContext() {
    _ = failing()
}

import CVRDMAABI
import SharedMemory
import Verbs

/// What the device and its port are: values that are true of it, in the terms of ibv_query_device(3).
extension Device {
    private static var portCount: UInt32 { 1 }
    private static var defaultPKey: UInt16 { 0xffff }
    private static var largestMTU: UInt32 { 5 }  // IBV_MTU_4096

    func queryDevice(_ command: vrdma_message, guest: Guest) -> vrdma_message {
        let limits = guest.limits
        var answer = vrdma_query_device_reply()
        answer.max_mr_size_bytes = limits.mappedBytesPerGuest
        answer.node_guid = guest.address.interfaceIdentifier.bigEndian
        answer.page_size_cap = 0xffff_ffff_ffff_f000
        answer.max_qp = UInt32(limits.queuePairsPerGuest)
        answer.max_qp_wr = limits.workRequestsPerQueue
        answer.max_sge = limits.scatterGatherElements
        answer.max_cq = UInt32(limits.completionQueuesPerGuest)
        answer.max_cqe = limits.completionQueueEntries
        answer.max_mr = UInt32(limits.memoryRegionsPerGuest)
        answer.max_pd = UInt32(limits.protectionDomainsPerGuest)
        answer.max_qp_rd_atom = limits.outstandingReads
        answer.max_qp_init_rd_atom = limits.outstandingReads
        answer.max_res_rd_atom = UInt32(
            clamping: UInt64(limits.outstandingReads) &* UInt64(clamping: limits.queuePairsPerGuest))
        answer.max_inline_bytes = limits.inlineBytes
        // IBV_DEVICE_CURR_QP_STATE_MOD (bit 7), IBV_DEVICE_SYS_IMAGE_GUID (11), IBV_DEVICE_RC_RNR_NAK_GEN (12).
        answer.device_cap_flags = 1 << 7 | 1 << 11 | 1 << 12
        // No vendor has assigned an identifier: what soft-RoCE says too.
        answer.vendor_id = 0xff_ffff
        answer.vendor_part_id = 1
        answer.hardware_version = VRDMA_ABI_MAJOR
        answer.gid_table_entries = UInt32(guest.addresses.count)
        answer.port_count = Self.portCount
        // Every atomic of the device and of the host's processors is an atomic to the other (IBV_ATOMIC_GLOB).
        answer.atomic_capability = 2
        if let device = host?.adapter.attributes { limit(&answer, to: device) }
        answer.guest_id = guest.identifier
        FixedText.write(guest.name, to: &answer.guest_name)
        return reply(command, answer)
    }

    /// What the host adapter's device does not offer is absent. Its own word on atomics holds, since peers elsewhere are
    /// served by it: with less than `IBV_ATOMIC_GLOB` they are no atomics towards guests on the local path.
    private func limit(_ answer: inout vrdma_query_device_reply, to device: HostDeviceAttributes) {
        answer.max_mr_size_bytes = min(answer.max_mr_size_bytes, device.memoryRegionBytes)
        answer.max_res_rd_atom = min(answer.max_res_rd_atom, device.outstandingReadsOfAll)
        answer.device_cap_flags &= device.capabilityFlags
        answer.atomic_capability = min(answer.atomic_capability, device.atomicCapability)
        answer.vendor_id = device.vendorIdentifier
        answer.vendor_part_id = device.vendorPartIdentifier
        answer.hardware_version = device.hardwareVersion
    }

    func queryPort(_ command: vrdma_message, guest: Guest) throws(Errno) -> vrdma_message {
        let request = try payload(command, as: vrdma_handle_command.self)
        guard request.handle == 1 else { throw .invalidArgument }
        var answer = vrdma_query_port_reply()
        answer.state = 4  // IBV_PORT_ACTIVE
        answer.max_mtu = Self.largestMTU
        answer.active_mtu = Self.largestMTU
        answer.max_message_bytes = UInt32(clamping: guest.limits.messageBytes)
        answer.port_cap_flags = 1 << 16  // IBV_PORT_CM_SUP
        answer.gid_table_entries = UInt32(guest.addresses.count)
        answer.pkey_table_entries = 1
        answer.active_speed = 32  // IBV_SPEED EDR, 25 Gb/s a lane
        answer.active_width = 2  // 4X
        answer.physical_state = 5  // LinkUp
        answer.link_layer = 2  // IBV_LINK_LAYER_ETHERNET
        if let port = host?.adapter.port {
            answer.state = port.state
            answer.max_mtu = port.largestMTU
            answer.active_mtu = port.activeMTU
            answer.active_speed = port.activeSpeed
            answer.active_width = port.activeWidth
            answer.physical_state = port.physicalState
            answer.link_layer = port.linkLayer
        }
        return reply(command, answer)
    }

    func queryGID(_ command: vrdma_message, guest: Guest) throws(Errno) -> vrdma_message {
        let request = try payload(command, as: vrdma_handle_command.self)
        let addresses = guest.addresses
        guard request.handle == 1, Int(request.index) < addresses.count else { throw .invalidArgument }
        var answer = vrdma_query_gid_reply()
        withUnsafeMutableBytes(of: &answer.gid) { $0.copyBytes(from: addresses[Int(request.index)].bytes) }
        answer.gid_type = 2
        return reply(command, answer)
    }

    func queryPKey(_ command: vrdma_message) throws(Errno) -> vrdma_message {
        let request = try payload(command, as: vrdma_handle_command.self)
        guard request.handle == 1, request.index == 0 else { throw .invalidArgument }
        return reply(command, vrdma_query_pkey_reply(pkey: Self.defaultPKey.bigEndian, reserved: (0, 0, 0)))
    }
}

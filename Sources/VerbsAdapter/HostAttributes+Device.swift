import CRDMACore
import Endpoint
import Verbs

extension HostDeviceAttributes {
    /// What ibv_query_device(3) says; elements and inline data are found out otherwise.
    init(name: String, _ device: ibv_device_attr) {
        self.init()
        deviceName = name
        queuePairs = Int(max(0, device.max_qp))
        workRequestsPerQueue = UInt32(clamping: device.max_qp_wr)
        completionQueues = Int(max(0, device.max_cq))
        completionQueueEntries = UInt32(clamping: device.max_cqe)
        protectionDomains = Int(max(0, device.max_pd))
        memoryRegions = Int(max(0, device.max_mr))
        memoryRegionBytes = device.max_mr_size
        outstandingReadsAsRequester = UInt32(clamping: device.max_qp_init_rd_atom)
        outstandingReadsAsResponder = UInt32(clamping: device.max_qp_rd_atom)
        outstandingReadsOfAll = UInt32(clamping: device.max_res_rd_atom)
        atomicCapability = device.atomic_cap.rawValue
        capabilityFlags = device.device_cap_flags
        vendorIdentifier = device.vendor_id
        vendorPartIdentifier = device.vendor_part_id
        hardwareVersion = device.hw_ver
    }
}

extension HostPortAttributes {
    init(_ port: ibv_port_attr, addresses: [GID]) {
        self.init()
        state = port.state.rawValue
        largestMTU = port.max_mtu.rawValue
        activeMTU = port.active_mtu.rawValue
        messageBytes = port.max_msg_sz
        activeSpeed = UInt32(port.active_speed)
        activeWidth = UInt32(port.active_width)
        physicalState = UInt32(port.phys_state)
        linkLayer = UInt32(port.link_layer)
        self.addresses = addresses
    }
}

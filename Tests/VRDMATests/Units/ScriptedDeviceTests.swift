import CVRDMAABI
import Glibc
import ScriptedDevice
import Testing

@testable import VRDMA

/// What the module shows of a device that is not as vRDMA's own.
@Suite struct ScriptedDeviceTests {
    private let scripted: ScriptedDevice

    init() throws {
        scripted = try ScriptedDevice()
    }

    private func open(_ prepare: (inout ScriptedDevice.Script) -> Void = { _ in }) throws -> Device {
        scripted.change { prepare(&$0) }
        return try Device.open(socketPath: scripted.path)
    }

    @Test func everythingThatADeviceCanVaryIsShown() throws {
        defer { scripted.stop() }
        let device = try open { script in
            script.device.atomic_capability = 1
            script.device.device_cap_flags = 0x1234
            script.device.vendor_id = 0x2c9
            script.device.vendor_part_id = 4119
            script.device.hardware_version = 7
            script.device.page_size_cap = 0xfff
            script.port.state = 1
            script.port.physical_state = 3
            script.port.active_speed = 64
            script.port.active_width = 2
            script.port.link_layer = 1
            script.port.port_cap_flags = 0x10
        }
        let attributes = device.attributes
        #expect(attributes.atomicCapability == .device && !attributes.hasGlobalAtomics)
        #expect(attributes.capabilityFlags == 0x1234 && attributes.pageSizes == 0xfff)
        #expect(attributes.vendorIdentifier == 0x2c9 && attributes.vendorPartIdentifier == 4119)
        #expect(attributes.hardwareVersion == 7)
        #expect(attributes.maxReadAtomic == 64 && attributes.maxInitiatorReadAtomic == 16)
        #expect(attributes.maxTotalReadAtomic == 4096)
        let port = try device.port()
        #expect(port.state == .down && !port.isActive && port.physicalState == 3)
        #expect(port.activeMTU == .bytes1024 && port.maxMTU == .bytes4096 && port.maxMessageBytes == 8 << 20)
        #expect(port.activeSpeed == 64 && port.activeWidth == 2 && port.linkLayer == .infiniBand)
        #expect(port.capabilityFlags == 0x10)
        scripted.change { $0.port.state = 4 }
        #expect(try device.port().isActive)
    }

    @Test func whatIsReportedCanBeMade() throws {
        defer { scripted.stop() }
        let device = try open()
        let limits = device.attributes
        #expect(limits.maxCompletionQueueEntries == 16384 && limits.maxWorkRequests == 4096)
        let queue = try CompletionQueue(
            device, capacity: Int(limits.maxCompletionQueueEntries), notification: .none)
        #expect(queue.capacity == 16384)
        let requests = Int(limits.maxWorkRequests)
        let pair = try QueuePair(
            ProtectionDomain(device), sendCompletionQueue: queue,
            capabilities: QueuePair.Capabilities(
                maxSendRequests: requests, maxReceiveRequests: requests, maxSendElements: 32, maxReceiveElements: 32,
                maxInlineBytes: 512))
        #expect(pair.capabilities.maxSendRequests == 4096)
    }

    @Test func connectingTakesWhatTheDeviceHas() throws {
        defer { scripted.stop() }
        let device = try open()
        let queue = try CompletionQueue(device, notification: .none)
        let domain = try ProtectionDomain(device)
        func attributes(_ index: Int) -> vrdma_qp_attributes? {
            scripted.change { $0.commands(VRDMA_OP_MODIFY_QP).suffix(3) }.dropFirst(index).first?
                .payload(as: vrdma_modify_qp_command.self)?.attributes
        }
        var options = QueuePair.ConnectionOptions()
        options.maxReadAtomic = 255
        let first = try QueuePair(domain, sendCompletionQueue: queue)
        try first.connect(to: first.endpoint, options)
        // IBV_ACCESS_LOCAL_WRITE, REMOTE_WRITE and REMOTE_READ: this device has no atomic operations.
        #expect(attributes(0)?.access_flags == 0b111)
        #expect(attributes(1)?.path_mtu == 3 && attributes(1)?.max_destination_rd_atomic == 64)
        #expect(attributes(1)?.source_gid_index == 1)
        #expect(attributes(2)?.max_rd_atomic == 16)
        // The table of addresses may change.
        scripted.change { script in
            script.gids.insert(GID(ipv4: 0x0a00_0009), at: 0)
            script.port.gid_table_entries = 3
        }
        options.mtu = .bytes512
        let second = try QueuePair(domain, sendCompletionQueue: queue)
        try second.connect(to: second.endpoint, options)
        #expect(attributes(1)?.source_gid_index == 2 && attributes(1)?.path_mtu == 2)
        #expect(try device.gids().count == 3)
    }

    @Test func eventsOfThePortAreToldInOrder() throws {
        defer { scripted.stop() }
        let device = try open()
        let queue = try CompletionQueue(device, notification: .none)
        let pair = try QueuePair(ProtectionDomain(device), sendCompletionQueue: queue)
        let number = pair.number.rawValue
        scripted.report(.portError, element: 1)
        scripted.report(.queuePairFatal, element: number, slot: 0)
        scripted.report(.queuePairFatal, element: number + 1, slot: 1)
        scripted.report(.gidChange, element: 1)
        scripted.report(.portActive, element: 1)
        var events: [AsyncEvent] = []
        while let event = try device.takeEvent() { events.append(event) }
        #expect(
            events == [
                AsyncEvent(.portError, .port(1)), AsyncEvent(.queuePairFatal, .queuePair(pair.number)),
                AsyncEvent(.gidChange, .port(1)), AsyncEvent(.portActive, .port(1)),
            ])
    }

    @Test func solicitedCompletionsAreAskedForByCommand() throws {
        defer { scripted.stop() }
        let device = try open { $0.completionQueueFlags = UInt32(VRDMA_CQ_ARM_BY_COMMAND) }
        let queue = try CompletionQueue(device, notification: .none)
        try queue.arm(solicitedOnly: true)
        queue.arm()
        let commands = scripted.change { $0.commands(VRDMA_OP_ARM_CQ) }
        #expect(commands.count == 1)
        let command = try #require(commands.first?.payload(as: vrdma_handle_command.self))
        #expect(command.handle == queue.identifier && command.index == 1)
        let other = try CompletionQueue(device, notification: .none)
        scripted.change { $0.failures[VRDMA_OP_ARM_CQ.rawValue] = .noSuchDevice }
        let error = #expect(throws: VerbsError.self) { try other.arm(solicitedOnly: true) }
        #expect(error?.code == .noSuchDevice && error?.reason.contains("portActive") == true)
    }

    @Test(arguments: [
        (EADDRNOTAVAIL, "10.0.0.1"), (ENETDOWN, "port"), (ENODEV, "is away"), (EIO, "vrdma-endpointd"),
        (ETIMEDOUT, "10.0.0.7"), (ENETUNREACH, "10.0.0.7"),
    ])
    func errorsOfTheWayToAPeerAreNamed(code: Int32, words: String) throws {
        defer { scripted.stop() }
        let device = try open()
        let queue = try CompletionQueue(device, notification: .none)
        let pair = try QueuePair(ProtectionDomain(device), sendCompletionQueue: queue)
        try pair.initialize()
        scripted.change { $0.failures[VRDMA_OP_MODIFY_QP.rawValue] = Errno(rawValue: code) }
        var peer = pair.endpoint
        peer.address = GID(ipv4: 0x0a00_0007)
        let error = #expect(throws: VerbsError.self) { try pair.connect(to: peer) }
        #expect(error?.code.rawValue == code && error?.isDeviceGone == false)
        #expect(error?.reason.contains(words) == true, "\(error?.reason ?? "")")
    }

    @Test(arguments: [
        (EIO, "kernel"), (ENODEV, "is away"), (ENOMEM, "LimitMEMLOCK"), (EPERM, "LimitMEMLOCK"),
        (ETIMEDOUT, "registration-timeout"),
    ])
    func errorsOfRegistrationAreNamed(code: Int32, words: String) throws {
        defer { scripted.stop() }
        let device = try open()
        let domain = try ProtectionDomain(device)
        scripted.change { $0.failures[VRDMA_OP_REG_MR.rawValue] = Errno(rawValue: code) }
        let error = #expect(throws: VerbsError.self) { try RegisteredBuffer(domain, byteCount: 100) }
        #expect(error?.code.rawValue == code && error?.isDeviceGone == false)
        #expect(error?.reason.contains(words) == true, "\(error?.reason ?? "")")
    }

    /// The guest driver answers everything with `EIO` before it closes the connection.
    @Test func aGuestDriverWithoutItsEndpointIsNoErrorOfTheHost() throws {
        defer { scripted.stop() }
        let device = try open()
        let domain = try ProtectionDomain(device)
        scripted.change { script in
            for opcode in [VRDMA_OP_REG_MR, VRDMA_OP_QUERY_DEVICE] { script.failures[opcode.rawValue] = .inputOutput }
        }
        let error = #expect(throws: VerbsError.self) { try RegisteredBuffer(domain, byteCount: 100) }
        #expect(error?.isDeviceGone == true)
    }
}

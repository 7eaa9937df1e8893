import CVRDMAABI
import FuzzKit
import Glibc
import HostSimulation
import LinuxIO
import SharedMemory
import Verbs

@testable import Endpoint

/// A guest with one context, and in it a protection domain, a completion queue, a queue pair and a memory region, all
/// at fixed places of the context's memory.
package final class FuzzGuest {
    package static let completionQueueOffset = 0x9000
    package static let sendQueueOffset = 0xb000
    package static let receiveQueueOffset = 0xc000
    package static let bufferOffset = 0xd000
    package static let bufferBytes = 0x4000
    /// Memory that no region and no queue has: nothing but this process writes it.
    package static let untouchedOffset = 0x11000
    package static let memoryBytes = 0x12000
    package static let bufferAddress: UInt64 = 0x10000
    package static let queueEntries: UInt32 = 16
    package static let completionEntries: UInt32 = 64
    package static let sendStrideBytes: UInt32 = 128
    package static let receiveStrideBytes: UInt32 = 64

    package let device: Device
    package let identifier: UInt32
    package let address: GID
    package let mapping: Mapping
    package let context: UInt32
    package private(set) var region: UInt32 = 0
    package private(set) var protectionDomain: UInt32 = 0
    package private(set) var completionQueue: UInt32 = 0
    package private(set) var queuePair: UInt32 = 0
    package private(set) var key: UInt32 = 0
    private let pattern: UInt8
    let host: SimulatedHostAdapter?

    package init(_ device: Device, number: UInt8, host: SimulatedHostAdapter? = nil) throws(Errno) {
        self.device = device
        self.host = host
        address = GID(ipv4: 0x0a00_0000 + UInt32(number))
        pattern = 0xa0 | number
        identifier = try device.addGuest(name: "guest\(number)", address: address)
        mapping = try Mapping(name: "fuzz-context", sizeBytes: Self.memoryBytes)
        DoorbellTree(mapping)?.initialize()
        var message = vrdma_message(opcode: VRDMA_OP_OPEN_CONTEXT.rawValue)
        message.setPayload(vrdma_open_context_command())
        let reply = device.execute(
            message, guest: identifier,
            descriptors: [mapping.file, try EventDescriptor.create(), try PacketSocket.pair().0])
        guard let opened = reply.payload(as: vrdma_open_context_reply.self) else { throw .protocolError }
        context = opened.context
        region = opened.context_region
        memset(mapping.base + Self.untouchedOffset, Int32(pattern), Self.memoryBytes - Self.untouchedOffset)
        try makeObjects()
    }

    package var sendQueue: WorkQueue {
        WorkQueue(
            mapping, offset: UInt64(Self.sendQueueOffset), entryCount: Self.queueEntries,
            strideBytes: Self.sendStrideBytes) ?? .none
    }

    package var receiveQueue: WorkQueue {
        WorkQueue(
            mapping, offset: UInt64(Self.receiveQueueOffset), entryCount: Self.queueEntries,
            strideBytes: Self.receiveStrideBytes) ?? .none
    }

    /// Ends the process when memory was written that the guest has given to nobody.
    package func checkUntouched() {
        let memory = UnsafeRawBufferPointer(
            start: mapping.base + Self.untouchedOffset, count: Self.memoryBytes - Self.untouchedOffset)
        if memory.contains(where: { $0 != pattern }) { fuzzFailure("memory outside of all regions was written") }
    }

    private func makeObjects() throws(Errno) {
        protectionDomain = try handle(VRDMA_OP_ALLOC_PD, vrdma_handle_command())
        completionQueue = try handle(
            VRDMA_OP_CREATE_CQ,
            vrdma_create_cq_command(
                queue: name(Self.completionQueueOffset), entries: Self.completionEntries, comp_channel: 0, slot: 0,
                reserved: 0))
        var pair = vrdma_create_qp_command()
        pair.send_queue = name(Self.sendQueueOffset)
        pair.receive_queue = name(Self.receiveQueueOffset)
        pair.send_entries = Self.queueEntries
        pair.receive_entries = Self.queueEntries
        pair.send_stride_bytes = Self.sendStrideBytes
        pair.receive_stride_bytes = Self.receiveStrideBytes
        pair.max_send_sge = 4
        pair.max_receive_sge = 3
        pair.max_inline_bytes = 64
        pair.pd = protectionDomain
        pair.send_cq = completionQueue
        pair.receive_cq = completionQueue
        pair.type = VRDMA_QPT_RC.rawValue
        queuePair = try handle(VRDMA_OP_CREATE_QP, pair)
        var memory = vrdma_reg_mr_command()
        memory.start = Self.bufferAddress
        memory.length = UInt64(Self.bufferBytes)
        memory.pd = protectionDomain
        memory.access = 0xf
        memory.extent_count = 1
        memory.extents.0 = vrdma_extent(
            region: region, reserved: 0, offset: UInt64(Self.bufferOffset), length: UInt64(Self.bufferBytes))
        key = try command(VRDMA_OP_REG_MR, memory, reply: vrdma_reg_mr_reply.self).lkey
    }

    private func name(_ offset: Int) -> vrdma_memory_name {
        vrdma_memory_name(region: region, reserved: 0, offset: UInt64(offset))
    }

    private func handle<Payload: BitwiseCopyable>(_ opcode: vrdma_opcode, _ payload: Payload) throws(Errno) -> UInt32 {
        try command(opcode, payload, reply: vrdma_handle_reply.self).handle
    }

    /// A command with its reply, also where that comes later.
    func execute(_ message: vrdma_message, descriptors: [FileDescriptor] = []) -> vrdma_message {
        if let reply = device.perform(message, guest: identifier, descriptors: descriptors) { return reply }
        for _ in 0..<100 {
            host?.network.step()
            _ = device.serveHostEvents()
            for case .reply(identifier, let reply) in device.takeOutputs() { return reply }
        }
        fuzzFailure("a command without an answer")
    }

    /// A command with its reply; throws what the reply says.
    func command<Payload: BitwiseCopyable, Reply: BitwiseCopyable>(
        _ opcode: vrdma_opcode, _ payload: Payload, reply: Reply.Type
    ) throws(Errno) -> Reply {
        var message = vrdma_message(opcode: opcode.rawValue, context: context)
        message.setPayload(payload)
        let answer = execute(message)
        guard answer.status == 0 else { throw Errno(rawValue: Int32(answer.status)) }
        guard let reply = answer.payload(as: reply) else { throw .protocolError }
        return reply
    }
}

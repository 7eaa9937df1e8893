import CVRDMAABI
import Endpoint
import LinuxIO
import SharedMemory
import TestKit
import Verbs

/// Commands of a hostile guest driver: mostly well-formed ones of the objects that there are, some of them of others'
/// objects, changed in a few bytes, or with whatever descriptors are at hand.
struct RandomCommands {
    /// What a context has, as far as its guest driver knows.
    private struct Owned {
        var context: UInt32
        var handles: [Kind: [UInt32]] = [:]
    }

    private enum Kind {
        case region
        case domain
        case channel
        case queue
        case queuePair
        case key
    }

    private let mapping: Mapping
    private let descriptors: [FileDescriptor]
    private var contexts: [Owned] = []

    init() throws {
        mapping = try Mapping(name: "vrdma-test-hostile", sizeBytes: DoorbellTree.sizeBytes + (1 << 20))
        DoorbellTree(mapping)?.initialize()
        let sockets = try PacketSocket.pair()
        descriptors = [
            mapping.file, try EventDescriptor.create(), sockets.0, sockets.1,
            try MemoryFile.create(name: "vrdma-test-hostile", sizeBytes: 4096),
        ]
    }

    /// Learns from a reply what there is to name.
    mutating func learn(_ command: vrdma_message, _ reply: vrdma_message) {
        guard reply.status == 0 else { return }
        if let opened = reply.payload(as: vrdma_open_context_reply.self), Self.opens(command) {
            contexts.append(Owned(context: opened.context, handles: [.region: [opened.context_region]]))
            return
        }
        guard let position = contexts.firstIndex(where: { $0.context == command.context }) else { return }
        if command.opcode == UInt16(VRDMA_OP_CLOSE_CONTEXT.rawValue) {
            contexts.remove(at: position)
        } else if let kind = Self.made(command), let handle = reply.payload(as: UInt32.self) {
            contexts[position].handles[kind, default: []].append(handle)
        }
    }

    private static let destroyers = [
        VRDMA_OP_DETACH_REGION, VRDMA_OP_DEALLOC_PD, VRDMA_OP_DEREG_MR, VRDMA_OP_DESTROY_COMP_CHANNEL,
        VRDMA_OP_DESTROY_CQ, VRDMA_OP_DESTROY_QP,
    ]

    private static func opens(_ command: vrdma_message) -> Bool {
        command.opcode == UInt16(VRDMA_OP_OPEN_CONTEXT.rawValue)
    }

    private static func made(_ command: vrdma_message) -> Kind? {
        switch vrdma_opcode(UInt32(command.opcode)) {
        case VRDMA_OP_ATTACH_REGION: .region
        case VRDMA_OP_ALLOC_PD: .domain
        case VRDMA_OP_CREATE_COMP_CHANNEL: .channel
        case VRDMA_OP_CREATE_CQ: .queue
        case VRDMA_OP_CREATE_QP: .queuePair
        case VRDMA_OP_REG_MR: .key
        default: nil
        }
    }

    mutating func next(using generator: inout SeededGenerator) -> (vrdma_message, [FileDescriptor]) {
        let opcode = vrdma_opcode(UInt32.random(in: 0...VRDMA_OP_LAST.rawValue + 1, using: &generator))
        // There should be something to break.
        if opcode == VRDMA_OP_CLOSE_CONTEXT, !generator.chance(1, of: 40) { return next(using: &generator) }
        if Self.destroyers.contains(opcode), !generator.chance(1, of: 4) { return next(using: &generator) }
        var message = wellFormed(opcode, using: &generator)
        if generator.chance(1, of: 4) { mutate(&message, using: &generator) }
        return (message, descriptors(for: opcode, using: &generator))
    }

    private func descriptors(for opcode: vrdma_opcode, using generator: inout SeededGenerator) -> [FileDescriptor] {
        if generator.chance(1, of: 6) {
            return (0..<Int.random(in: 0...4, using: &generator)).compactMap { _ in
                descriptors.randomElement(using: &generator)
            }
        }
        switch opcode {
        case VRDMA_OP_OPEN_CONTEXT: return Array(descriptors[0..<3])
        case VRDMA_OP_ATTACH_REGION: return [descriptors[generator.chance(1, of: 2) ? 0 : 4]]
        case VRDMA_OP_CREATE_COMP_CHANNEL: return [descriptors[2]]
        default: return []
        }
    }

    private func mutate(_ message: inout vrdma_message, using generator: inout SeededGenerator) {
        withUnsafeMutableBytes(of: &message) { bytes in
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                let position = Int.random(in: 0..<bytes.count, using: &generator)
                let values: [UInt8] = [0, 1, 0x7f, 0x80, 0xff, UInt8.random(in: 0...255, using: &generator)]
                bytes[position] = values.randomElement(using: &generator) ?? 0
            }
        }
    }

    /// Writes something into the memory in which all of its queues lie, and kicks.
    func scribble(_ device: Device, using generator: inout SeededGenerator) {
        for _ in 0..<8 {
            let offset = 4 * Int.random(in: 16..<1024, using: &generator)
            let value = generator.chance(1, of: 2) ? UInt32.random(in: 0...8, using: &generator) : .max
            (mapping.base + offset).storeBytes(of: value, as: UInt32.self)
        }
        if let owned = contexts.randomElement(using: &generator) { device.wake(context: owned.context) }
    }

    /// A handle of a kind: the context's own, another's, one that is not there yet, or none.
    private func handle(_ kind: Kind, _ owned: Owned, using generator: inout SeededGenerator) -> UInt32 {
        let own = owned.handles[kind]?.suffix(8).randomElement(using: &generator) ?? 0
        switch Int.random(in: 0..<20, using: &generator) {
        case 0:
            let other = contexts.randomElement(using: &generator) ?? owned
            return other.handles[kind]?.randomElement(using: &generator) ?? 0
        case 1, 2: return (owned.handles[kind]?.max() ?? 0) &+ UInt32.random(in: 1...2, using: &generator)
        case 3: return UInt32.random(in: 0...20, using: &generator)
        default: return own
        }
    }

    private func wellFormed(_ opcode: vrdma_opcode, using generator: inout SeededGenerator) -> vrdma_message {
        let owned = contexts.randomElement(using: &generator) ?? Owned(context: 0)
        var message = vrdma_message(opcode: opcode.rawValue, sequence: 1, context: owned.context)
        func payload(_ kind: Kind) {
            message.setPayload(
                vrdma_handle_command(
                    handle: handle(kind, owned, using: &generator),
                    index: UInt32.random(in: 0...2, using: &generator)))
        }
        switch opcode {
        case VRDMA_OP_OPEN_CONTEXT:
            message.context = 0
            message.setPayload(vrdma_open_context_command())
        case VRDMA_OP_DETACH_REGION: payload(.region)
        case VRDMA_OP_DEALLOC_PD: payload(.domain)
        case VRDMA_OP_DEREG_MR: payload(.key)
        case VRDMA_OP_DESTROY_COMP_CHANNEL: payload(.channel)
        case VRDMA_OP_DESTROY_CQ: payload(.queue)
        case VRDMA_OP_DESTROY_QP, VRDMA_OP_QUERY_QP: payload(.queuePair)
        case VRDMA_OP_REG_MR: message.setPayload(registration(owned, using: &generator))
        case VRDMA_OP_CREATE_CQ:
            message.setPayload(
                vrdma_create_cq_command(
                    queue: name(owned, using: &generator), entries: size(using: &generator),
                    comp_channel: generator.chance(1, of: 2) ? 0 : handle(.channel, owned, using: &generator), slot: 1,
                    reserved: 0))
        case VRDMA_OP_CREATE_QP: message.setPayload(queuePair(owned, using: &generator))
        case VRDMA_OP_MODIFY_QP: message.setPayload(change(owned, using: &generator))
        default:
            message.setPayload(
                vrdma_handle_command(handle: 1, index: UInt32.random(in: 0...2, using: &generator)))
        }
        return message
    }

    private func name(_ owned: Owned, using generator: inout SeededGenerator) -> vrdma_memory_name {
        let isLow = generator.chance(1, of: 2)
        return vrdma_memory_name(
            region: handle(.region, owned, using: &generator), reserved: 0,
            offset: isLow ? 0 : 64 * UInt64.random(in: 0...8192, using: &generator))
    }

    private func size(using generator: inout SeededGenerator) -> UInt32 {
        1 << UInt32.random(in: 0...5, using: &generator)
    }

    private func registration(_ owned: Owned, using generator: inout SeededGenerator) -> vrdma_reg_mr_command {
        var request = vrdma_reg_mr_command()
        request.start = generator.next() >> 1
        request.pd = handle(.domain, owned, using: &generator)
        let rights = UInt32.random(in: 0...15, using: &generator)
        request.access = generator.chance(3, of: 4) ? rights | 1 : rights
        request.extent_count = UInt32.random(in: 1...8, using: &generator)
        let length = UInt64.random(in: 1...2048, using: &generator)
        request.length = length &* UInt64(request.extent_count)
        let extent = vrdma_extent(
            region: handle(.region, owned, using: &generator), reserved: 0,
            offset: UInt64.random(in: 0...2048, using: &generator), length: length)
        request.extents = (extent, extent, extent, extent, extent, extent, extent)
        return request
    }

    private func queuePair(_ owned: Owned, using generator: inout SeededGenerator) -> vrdma_create_qp_command {
        var request = vrdma_create_qp_command()
        request.send_queue = name(owned, using: &generator)
        request.receive_queue = name(owned, using: &generator)
        request.send_entries = size(using: &generator)
        request.receive_entries = generator.chance(1, of: 3) ? 0 : size(using: &generator)
        (request.send_stride_bytes, request.receive_stride_bytes) = (128, 64)
        (request.max_send_sge, request.max_receive_sge, request.max_inline_bytes) = (4, 3, 64)
        request.pd = handle(.domain, owned, using: &generator)
        request.send_cq = handle(.queue, owned, using: &generator)
        request.receive_cq = handle(.queue, owned, using: &generator)
        request.type = VRDMA_QPT_RC.rawValue
        request.slot = UInt32.random(in: 0...63, using: &generator)
        return request
    }

    private func change(_ owned: Owned, using generator: inout SeededGenerator) -> vrdma_modify_qp_command {
        var connection = Connection()
        connection.destinationNumber = handle(.queuePair, owned, using: &generator)
        connection.destination = GID(ipv4: 0x0a00_0000 + UInt32.random(in: 1...4, using: &generator))
        let steps = [
            connection.initialize, connection.readyToReceive, connection.readyToSend,
            connection.attributes(.sendQueueDrained, []), connection.attributes(.reset, []),
            connection.attributes(.error, []),
        ]
        return vrdma_modify_qp_command(
            qp_number: handle(.queuePair, owned, using: &generator), reserved: 0,
            attributes: steps.randomElement(using: &generator) ?? connection.initialize)
    }
}

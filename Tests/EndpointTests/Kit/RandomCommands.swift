import CVRDMAABI
import LinuxIO
import SharedMemory
import Verbs

/// Commands of a hostile guest driver: mostly well-formed ones of the objects that there are, some of them changed in a
/// few bytes, with whatever descriptors are at hand.
struct RandomCommands {
    private let descriptors: [FileDescriptor]
    private var contexts: [UInt32] = [0]
    private var handles: [UInt32] = [0, 1, 2, 3, 17, 18]

    init() throws {
        let mapping = try Mapping(name: "vrdma-test-hostile", sizeBytes: DoorbellTree.sizeBytes + (1 << 20))
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
        if command.opcode == UInt16(VRDMA_OP_OPEN_CONTEXT.rawValue) {
            guard let opened = reply.payload(as: vrdma_open_context_reply.self) else { return }
            contexts.append(opened.context)
            handles.append(opened.context_region)
        } else if reply.payload_bytes >= 4, let answer = reply.payload(as: UInt32.self), handles.count < 4000 {
            handles.append(answer)
        }
    }

    mutating func next(using generator: inout SeededGenerator) -> (vrdma_message, [FileDescriptor]) {
        let opcode = vrdma_opcode(UInt32.random(in: 0...VRDMA_OP_LAST.rawValue + 1, using: &generator))
        // Contexts are rarely closed, so that there is something in them.
        if opcode == VRDMA_OP_CLOSE_CONTEXT, !generator.chance(1, of: 20) { return next(using: &generator) }
        var message = wellFormed(opcode, using: &generator)
        if generator.chance(1, of: 3) { mutate(&message, using: &generator) }
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

    private func wellFormed(_ opcode: vrdma_opcode, using generator: inout SeededGenerator) -> vrdma_message {
        var message = vrdma_message(
            opcode: opcode.rawValue, sequence: 1, context: contexts.randomElement(using: &generator) ?? 0)
        func handle(_ generator: inout SeededGenerator) -> UInt32 {
            let known = handles.suffix(40).randomElement(using: &generator) ?? 0
            // Sometimes one that will be given out soon.
            return generator.chance(1, of: 10) ? known &+ 1 : known
        }
        func name(_ generator: inout SeededGenerator) -> vrdma_memory_name {
            vrdma_memory_name(
                region: handle(&generator), reserved: 0,
                offset: 64 * UInt64.random(in: 0...16_384, using: &generator))
        }
        func size(_ generator: inout SeededGenerator) -> UInt32 { 1 << UInt32.random(in: 0...8, using: &generator) }
        switch opcode {
        case VRDMA_OP_OPEN_CONTEXT:
            message.context = 0
            message.setPayload(vrdma_open_context_command())
        case VRDMA_OP_REG_MR:
            var request = vrdma_reg_mr_command()
            request.start = generator.next()
            request.pd = handle(&generator)
            request.access = UInt32.random(in: 0...15, using: &generator)
            request.extent_count = UInt32.random(in: 0...9, using: &generator)
            let length = UInt64.random(in: 0...8192, using: &generator)
            request.length = length &* UInt64(request.extent_count)
            let extent = vrdma_extent(
                region: handle(&generator), reserved: 0, offset: UInt64.random(in: 0...4096, using: &generator),
                length: length)
            request.extents = (extent, extent, extent, extent, extent, extent, extent)
            message.setPayload(request)
        case VRDMA_OP_CREATE_CQ:
            message.setPayload(
                vrdma_create_cq_command(
                    queue: name(&generator), entries: size(&generator),
                    comp_channel: generator.chance(1, of: 2) ? 0 : handle(&generator), slot: 1, reserved: 0))
        case VRDMA_OP_CREATE_QP:
            var request = vrdma_create_qp_command()
            (request.send_queue, request.receive_queue) = (name(&generator), name(&generator))
            (request.send_entries, request.receive_entries) = (size(&generator), size(&generator))
            if generator.chance(1, of: 4) { request.receive_entries = 0 }
            (request.send_stride_bytes, request.receive_stride_bytes) = (128, 64)
            (request.max_send_sge, request.max_receive_sge, request.max_inline_bytes) = (4, 3, 64)
            request.pd = handle(&generator)
            (request.send_cq, request.receive_cq) = (handle(&generator), handle(&generator))
            request.type = VRDMA_QPT_RC.rawValue
            request.slot = UInt32.random(in: 0...200, using: &generator)
            message.setPayload(request)
        case VRDMA_OP_MODIFY_QP:
            var connection = Connection()
            connection.destinationNumber = handle(&generator)
            connection.destination = GID(ipv4: 0x0a00_0000 + UInt32.random(in: 1...4, using: &generator))
            let steps = [
                connection.initialize, connection.readyToReceive, connection.readyToSend,
                connection.attributes(.sendQueueDrained, []), connection.attributes(.reset, []),
                connection.attributes(.error, []),
            ]
            message.setPayload(
                vrdma_modify_qp_command(
                    qp_number: handle(&generator), reserved: 0,
                    attributes: steps.randomElement(using: &generator) ?? connection.initialize))
        default:
            message.setPayload(
                vrdma_handle_command(handle: handle(&generator), index: UInt32.random(in: 0...2, using: &generator)))
        }
        return message
    }
}

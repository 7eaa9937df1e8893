import CVRDMAABI
import Glibc
import LinuxIO
import SharedMemory
import Testing
import Verbs

@testable import Endpoint

/// Commands that are wrong in their form: they fail with the documented error and change nothing (docs/abi.md,
/// "Commands").
struct CommandTests {
    private static let opcodes = (1...VRDMA_OP_LAST.rawValue).map { vrdma_opcode($0) }

    @Test(arguments: [UInt32(0), VRDMA_OP_LAST.rawValue + 1, 100, 0x8001, 0xffff])
    func unknownOpcode(opcode: UInt32) throws {
        let context = try SimulatedEndpoint().addGuest().openContext()
        #expect(throws: Errno.notSupported) {
            try context.guest.command(vrdma_opcode(opcode), context: context.handle)
        }
    }

    @Test func unknownGuest() {
        let reply = SimulatedEndpoint().device.execute(
            vrdma_message(opcode: VRDMA_OP_ALLOC_PD.rawValue, sequence: 5), guest: 99)
        #expect(reply.status == UInt32(Errno.noSuchDevice.rawValue))
        #expect(reply.sequence == 5)
    }

    /// A reply repeats sequence, opcode and context, also of a command that failed.
    @Test func replies() throws {
        let context = try SimulatedEndpoint().addGuest().openContext()
        for opcode in [VRDMA_OP_ALLOC_PD, VRDMA_OP_CREATE_QP, vrdma_opcode(77)] {
            let command = vrdma_message(opcode: opcode.rawValue, sequence: 0xdead, context: context.handle)
            let reply = context.guest.execute(command)
            #expect((reply.sequence, reply.opcode, reply.context) == (0xdead, command.opcode, context.handle))
        }
    }

    /// A payload that is cut short by one byte.
    @Test func shortPayloads() throws {
        let sizes: [(vrdma_opcode, Int)] = [
            (VRDMA_OP_OPEN_CONTEXT, MemoryLayout<vrdma_open_context_command>.size),
            (VRDMA_OP_REG_MR, MemoryLayout<vrdma_reg_mr_command>.size),
            (VRDMA_OP_CREATE_CQ, MemoryLayout<vrdma_create_cq_command>.size),
            (VRDMA_OP_CREATE_QP, MemoryLayout<vrdma_create_qp_command>.size),
            (VRDMA_OP_MODIFY_QP, MemoryLayout<vrdma_modify_qp_command>.size),
            (VRDMA_OP_DETACH_REGION, 8), (VRDMA_OP_DEALLOC_PD, 8), (VRDMA_OP_DEREG_MR, 8),
            (VRDMA_OP_DESTROY_COMP_CHANNEL, 8), (VRDMA_OP_DESTROY_CQ, 8), (VRDMA_OP_DESTROY_QP, 8),
            (VRDMA_OP_QUERY_QP, 8), (VRDMA_OP_QUERY_PORT, 8), (VRDMA_OP_QUERY_GID, 8), (VRDMA_OP_QUERY_PKEY, 8),
        ]
        let context = try SimulatedEndpoint().addGuest().openContext()
        for (opcode, size) in sizes {
            for bytes in [0, 1, size - 1] {
                var message = vrdma_message(
                    opcode: opcode.rawValue, context: opcode == VRDMA_OP_OPEN_CONTEXT ? 0 : context.handle)
                message.payload_bytes = UInt16(bytes)
                #expect(context.guest.execute(message).status == UInt32(EINVAL), "opcode \(opcode.rawValue)")
            }
        }
        Invariants.check(context.endpoint)
    }

    /// A payload that says more bytes than a message has is read as far as there are any.
    @Test func oversizedPayloads() throws {
        let context = try SimulatedEndpoint().addGuest().openContext()
        for opcode in Self.opcodes where opcode != VRDMA_OP_CLOSE_CONTEXT {
            var message = vrdma_message(opcode: opcode.rawValue, context: context.handle)
            message.payload_bytes = .max
            _ = context.guest.execute(message)
        }
        Invariants.check(context.endpoint)
    }

    /// Descriptors that are missing, too many, or of another kind.
    @Test func descriptors() throws {
        let endpoint = SimulatedEndpoint()
        let guest = try endpoint.addGuest()
        let context = try guest.openContext()
        let memory = try Mapping(name: "vrdma-test", sizeBytes: DoorbellTree.sizeBytes)
        try #require(DoorbellTree(memory)).initialize()
        let sockets = try PacketSocket.pair()
        let kick = try EventDescriptor.create()
        let stream = try streamSocket()
        let right = [memory.file, kick, sockets.0]
        let wrong: [[FileDescriptor]] = [
            [], [memory.file], [memory.file, kick], right + [kick], [kick, memory.file, sockets.0],
            [memory.file, sockets.0, kick], [memory.file, memory.file, sockets.0], [memory.file, kick, memory.file],
            [memory.file, kick, stream],
        ]
        for descriptors in wrong {
            #expect(throws: Errno.invalidArgument) {
                try guest.command(
                    VRDMA_OP_OPEN_CONTEXT, context: 0, vrdma_open_context_command(), descriptors: descriptors)
            }
        }
        for descriptors in [[], [kick], [sockets.0], [memory.file, memory.file]] {
            #expect(throws: Errno.invalidArgument) {
                try guest.command(VRDMA_OP_ATTACH_REGION, context: context.handle, descriptors: descriptors)
            }
        }
        for descriptors in [[], [kick], [memory.file], [stream], [sockets.0, sockets.1]] {
            #expect(throws: Errno.invalidArgument) {
                try guest.command(VRDMA_OP_CREATE_COMP_CHANNEL, context: context.handle, descriptors: descriptors)
            }
        }
        Invariants.check(endpoint)
    }

    private func streamSocket() throws -> FileDescriptor {
        var descriptors: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &descriptors) == 0 else { throw Errno.current }
        close(descriptors[1])
        return FileDescriptor(taking: descriptors[0])
    }

    /// Context memory that is too small, or of another version.
    @Test func contextMemory() throws {
        let guest = try SimulatedEndpoint().addGuest()
        func open(_ mapping: Mapping) throws {
            try guest.command(
                VRDMA_OP_OPEN_CONTEXT, context: 0, vrdma_open_context_command(),
                descriptors: [mapping.file, try EventDescriptor.create(), try PacketSocket.pair().0])
        }
        let small = try Mapping(name: "vrdma-test", sizeBytes: DoorbellTree.sizeBytes - 1)
        #expect(throws: Errno.invalidArgument) { try open(small) }
        let mapping = try Mapping(name: "vrdma-test", sizeBytes: DoorbellTree.sizeBytes)
        #expect(throws: Errno.protocolNotSupported) { try open(mapping) }
        try #require(DoorbellTree(mapping)).initialize()
        mapping.base.storeBytes(of: UInt16(VRDMA_ABI_MAJOR + 1), toByteOffset: 4, as: UInt16.self)
        #expect(throws: Errno.protocolNotSupported) { try open(mapping) }
        mapping.base.storeBytes(of: UInt16(VRDMA_ABI_MAJOR), toByteOffset: 4, as: UInt16.self)
        try open(mapping)
    }

    /// Port, GID and P_Key tables (ibv_query_port(3), ibv_query_gid(3), ibv_query_pkey(3)).
    @Test func port() throws {
        let context = try SimulatedEndpoint().addGuest(address: GID(ipv4: 0xc0a8_0001)).openContext()
        let port = try #require(
            context.command(VRDMA_OP_QUERY_PORT, handle: 1).payload(as: vrdma_query_port_reply.self))
        #expect((port.state, port.link_layer, port.active_mtu) == (4, 2, 5))
        #expect((port.gid_table_entries, port.pkey_table_entries, port.max_message_bytes) == (2, 1, 1 << 31))
        let gids = try (0..<2).map { index in
            let reply = try context.command(VRDMA_OP_QUERY_GID, handle: 1, index: UInt32(index))
            return try #require(reply.payload(as: vrdma_query_gid_reply.self))
        }
        let texts = gids.map { gid in
            withUnsafeBytes(of: gid.gid) {
                GID(bytes: ($0.load(as: UInt64.self), $0.load(fromByteOffset: 8, as: UInt64.self)))
            }
        }
        #expect(texts[0].isLinkLocal)
        #expect(texts[1].description == "192.168.0.1")
        #expect(gids.allSatisfy { $0.gid_type == 2 })
        let key = try context.command(VRDMA_OP_QUERY_PKEY, handle: 1).payload(as: vrdma_query_pkey_reply.self)
        #expect(key?.pkey == 0xffff)
        for (opcode, port, index) in [
            (VRDMA_OP_QUERY_PORT, UInt32(0), UInt32(0)), (VRDMA_OP_QUERY_PORT, 2, 0), (VRDMA_OP_QUERY_GID, 1, 2),
            (VRDMA_OP_QUERY_GID, 0, 0), (VRDMA_OP_QUERY_PKEY, 1, 1), (VRDMA_OP_QUERY_PKEY, 2, 0),
        ] {
            #expect(throws: Errno.invalidArgument) { try context.command(opcode, handle: port, index: index) }
        }
    }

    /// Shapes of queues that do not lie in their memory.
    @Test func queueShapes() throws {
        let endpoint = SimulatedEndpoint()
        let application = try Application(endpoint.addGuest())
        let context = application.context
        let memory = try context.attach(sizeBytes: 1 << 16)
        func queue(_ change: (inout vrdma_create_cq_command) -> Void) throws {
            var request = vrdma_create_cq_command(
                queue: memory.name(0), entries: 16, comp_channel: 0, slot: 0, reserved: 0)
            change(&request)
            let handle = try context.handle(context.command(VRDMA_OP_CREATE_CQ, request))
            try context.command(VRDMA_OP_DESTROY_CQ, handle: handle)
        }
        try queue { _ in }
        try queue { $0.queue.offset = (1 << 16) - 256 - 16 * 64 }
        let wrongQueues: [(inout vrdma_create_cq_command) -> Void] = [
            { $0.entries = 0 }, { $0.entries = 15 }, { $0.entries = .max }, { $0.queue.offset = 1 },
            { $0.queue.offset = 32 }, { $0.queue.offset = (1 << 16) - 256 - 16 * 64 + 64 }, { $0.queue.offset = .max },
            { $0.queue.offset = .max - 63 }, { $0.queue.region = 0 }, { $0.queue.region = 999 },
            { $0.comp_channel = 5 },
        ]
        for wrong in wrongQueues { #expect(throws: Errno.invalidArgument) { try queue(wrong) } }

        func queuePair(_ change: (inout vrdma_create_qp_command) -> Void) throws {
            var request = vrdma_create_qp_command()
            request.send_queue = memory.name(0)
            request.receive_queue = memory.name(1 << 15)
            (request.send_entries, request.receive_entries) = (16, 16)
            (request.send_stride_bytes, request.receive_stride_bytes) = (128, 48)
            (request.max_send_sge, request.max_receive_sge, request.max_inline_bytes) = (5, 2, 80)
            request.pd = application.protectionDomain
            (request.send_cq, request.receive_cq) = (application.sendQueue.handle, application.receiveQueue.handle)
            request.type = VRDMA_QPT_RC.rawValue
            request.slot = 7
            change(&request)
            let number = try context.handle(context.command(VRDMA_OP_CREATE_QP, request))
            try context.command(VRDMA_OP_DESTROY_QP, handle: number)
        }
        try queuePair { _ in }
        let wrongPairs: [(inout vrdma_create_qp_command) -> Void] = [
            { $0.send_entries = 0 }, { $0.send_entries = 12 }, { $0.receive_entries = 3 },
            { $0.send_stride_bytes = 0 }, { $0.send_stride_bytes = 96 }, { $0.send_stride_bytes = 0xffff_ffc0 },
            { $0.receive_stride_bytes = 0 }, { $0.receive_stride_bytes = 40 }, { $0.receive_stride_bytes = .max },
            { $0.max_send_sge = 6 }, { $0.max_receive_sge = 3 }, { $0.max_inline_bytes = 81 },
            { $0.max_send_sge = .max }, { $0.max_receive_sge = .max }, { $0.max_inline_bytes = .max },
            { $0.send_queue.offset = 8 }, { $0.receive_queue.offset = 16 }, { $0.send_queue.offset = 1 << 16 },
            { $0.send_queue.offset = .max - 63 }, { $0.receive_queue.offset = .max - 63 },
            { $0.send_queue.region = 77 }, { $0.receive_queue.region = 77 }, { $0.pd = 0 }, { $0.send_cq = 0 },
            { $0.receive_cq = .max },
        ]
        for (position, wrong) in wrongPairs.enumerated() {
            #expect(throws: Errno.invalidArgument, "change \(position)") { try queuePair(wrong) }
        }
        for type in [UInt32(0), 3, 4, 8, .max] {
            #expect(throws: Errno.notSupported) { try queuePair { $0.type = type } }
        }
        Invariants.check(endpoint)
    }
}

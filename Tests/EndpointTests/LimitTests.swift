import CVRDMAABI
import LinuxIO
import SharedMemory
import Testing
import Verbs

@testable import Endpoint

/// Every table has a limit from the configuration, and reaching it is an ordinary error: ENOMEM for too many, EINVAL for
/// an object that is too large (docs/abi.md, "Errors"). What is freed may be made again.
struct LimitTests {
    private func limits(_ change: (inout DeviceLimits) -> Void) -> DeviceLimits {
        var limits = DeviceLimits()
        change(&limits)
        return limits
    }

    private func application(_ limits: DeviceLimits) throws -> Application {
        try Application(SimulatedEndpoint().addGuest(limits: limits))
    }

    @Test func guests() throws {
        let endpoint = SimulatedEndpoint(limits: limits { $0.guests = 2 })
        _ = try endpoint.addGuest()
        let second = try endpoint.addGuest()
        #expect(throws: Errno.outOfMemory) { try endpoint.addGuest() }
        second.remove()
        _ = try endpoint.addGuest()
    }

    @Test(arguments: [true, false])
    func contexts(isTotal: Bool) throws {
        let endpoint = SimulatedEndpoint(
            limits: limits { if isTotal { $0.totalContexts = 2 } else { $0.contextsPerGuest = 2 } })
        let guest = try endpoint.addGuest()
        _ = try guest.openContext()
        let context = try guest.openContext()
        #expect(throws: Errno.outOfMemory) { try guest.openContext() }
        try context.close()
        _ = try guest.openContext()
        #expect(throws: Errno.outOfMemory) { try guest.openContext() }
        Invariants.check(endpoint)
    }

    @Test func protectionDomains() throws {
        let context = try SimulatedEndpoint().addGuest(limits: limits { $0.protectionDomainsPerGuest = 2 })
            .openContext()
        let first = try context.allocateProtectionDomain()
        _ = try context.allocateProtectionDomain()
        #expect(throws: Errno.outOfMemory) { try context.allocateProtectionDomain() }
        try context.command(VRDMA_OP_DEALLOC_PD, handle: first)
        _ = try context.allocateProtectionDomain()
    }

    @Test func memoryRegions() throws {
        let application = try application(limits { $0.memoryRegionsPerGuest = 3 })
        let second = try application.register(64)
        _ = try application.register(64)
        #expect(throws: Errno.outOfMemory) { try application.register(64) }
        try application.context.deregister(second)
        _ = try application.register(64)
        #expect(throws: Errno.outOfMemory) { try application.register(64) }
        Invariants.check(application.context.endpoint)
    }

    @Test(arguments: [true, false])
    func completionQueues(isTotal: Bool) throws {
        let limits = limits { if isTotal { $0.totalCompletionQueues = 3 } else { $0.completionQueuesPerGuest = 3 } }
        let application = try Application(SimulatedEndpoint(limits: limits).addGuest())
        let queue = try application.context.createCompletionQueue()
        #expect(throws: Errno.outOfMemory) { try application.context.createCompletionQueue() }
        try queue.destroy()
        _ = try application.context.createCompletionQueue()
        Invariants.check(application.context.endpoint)
    }

    @Test(arguments: [true, false])
    func queuePairs(isTotal: Bool) throws {
        let limits = limits { if isTotal { $0.totalQueuePairs = 3 } else { $0.queuePairsPerGuest = 3 } }
        let application = try Application(SimulatedEndpoint(limits: limits).addGuest())
        func create() throws -> SimulatedQueuePair {
            try application.context.createQueuePair(
                protectionDomain: application.protectionDomain, sendQueue: application.sendQueue,
                receiveQueue: application.receiveQueue)
        }
        let second = try create()
        _ = try create()
        for _ in 0..<3 { #expect(throws: Errno.outOfMemory) { try create() } }
        try second.destroy()
        _ = try create()
        Invariants.check(application.context.endpoint)
    }

    @Test func channels() throws {
        let application = try application(limits { $0.completionChannelsPerGuest = 1 })
        let channel = try application.context.createChannel()
        #expect(throws: Errno.outOfMemory) { try application.context.createChannel() }
        try application.context.command(VRDMA_OP_DESTROY_COMP_CHANNEL, handle: channel.handle)
        _ = try application.context.createChannel()
    }

    @Test(arguments: [true, false])
    func regions(isTotal: Bool) throws {
        let limits = limits { if isTotal { $0.totalRegions = 3 } else { $0.regionsPerGuest = 3 } }
        let application = try Application(SimulatedEndpoint(limits: limits).addGuest())
        let first = try application.context.attach(sizeBytes: 4096)
        _ = try application.context.attach(sizeBytes: 4096)
        #expect(throws: Errno.outOfMemory) { try application.context.attach(sizeBytes: 4096) }
        try application.context.command(VRDMA_OP_DETACH_REGION, handle: first.region)
        _ = try application.context.attach(sizeBytes: 4096)
    }

    /// The bytes of all regions together, contexts among them.
    @Test func mappedBytes() throws {
        let limit: UInt64 = 8 << 20
        let guest = try SimulatedEndpoint().addGuest(limits: limits { $0.mappedBytesPerGuest = limit })
        let context = try guest.openContext(memoryBytes: 0)
        let rest = Int(limit) - context.memory.mapping.sizeBytes
        #expect(throws: Errno.outOfMemory) { try context.attach(sizeBytes: rest + 1) }
        let memory = try context.attach(sizeBytes: rest)
        #expect(throws: Errno.outOfMemory) { try context.attach(sizeBytes: 1) }
        #expect(throws: Errno.outOfMemory) { try guest.openContext(memoryBytes: 0) }
        try context.command(VRDMA_OP_DETACH_REGION, handle: memory.region)
        _ = try context.attach(sizeBytes: rest)
    }

    @Test func sizesOfObjects() throws {
        let limits = limits {
            $0.completionQueueEntries = 16
            $0.workRequestsPerQueue = 16
            $0.scatterGatherElements = 4
            $0.inlineBytes = 64
            $0.extentsPerRegion = 8
            $0.extentsPerGuest = 20
        }
        typealias Capabilities = SimulatedQueuePair.Capabilities
        let most = Capabilities(
            sendEntries: 16, receiveEntries: 16, sendElements: 4, receiveElements: 4, inlineBytes: 64)
        let application = try Application(
            SimulatedEndpoint().addGuest(limits: limits), capabilities: most, queueEntries: 16)
        let context = application.context
        #expect(throws: Errno.invalidArgument) { try context.createCompletionQueue(entries: 32) }
        func create(_ capabilities: Capabilities) throws {
            _ = try context.createQueuePair(
                capabilities, protectionDomain: application.protectionDomain, sendQueue: application.sendQueue,
                receiveQueue: application.receiveQueue)
        }
        try create(most)
        let changes: [(inout Capabilities) -> Void] = [
            { $0.sendEntries = 32 }, { $0.receiveEntries = 32 }, { $0.sendElements = 5 }, { $0.receiveElements = 5 },
            { $0.inlineBytes = 65 },
        ]
        for change in changes {
            var more = most
            change(&more)
            #expect(throws: Errno.invalidArgument) { try create(more) }
        }
        func pieces(_ count: Int) throws -> [RegisteredBuffer.Piece] {
            try (0..<count).map { _ in .init(memory: context.memory, offset: try context.memory.allocate(64), length: 8)
            }
        }
        func register(_ count: Int) throws -> RegisteredBuffer {
            try context.register(try pieces(count), protectionDomain: application.protectionDomain)
        }
        #expect(throws: Errno.invalidArgument) { try register(9) }
        // The extents of all regions together, of which the application has one already.
        let first = try register(8)
        _ = try register(8)
        #expect(throws: Errno.outOfMemory) { try register(4) }
        _ = try register(3)
        #expect(throws: Errno.outOfMemory) { try register(1) }
        try context.deregister(first)
        _ = try register(8)
        Invariants.check(context.endpoint)
    }

    /// A guest's own limit of a message's length counts, not only the endpoint's.
    @Test func messageBytes() throws {
        let endpoint = SimulatedEndpoint()
        let small = limits { $0.messageBytes = 4096 }
        let (a, b) = (try Application(endpoint.addGuest(limits: small)), try Application(endpoint.addGuest()))
        for opcode in [WorkRequestOpcode.rdmaWrite, .rdmaRead, .send] {
            try a.queuePair.modify(.reset)
            try b.queuePair.modify(.reset)
            try b.queuePair.connect(b.connection(to: a))
            try a.queuePair.connect(a.connection(to: b))
            b.queuePair.postReceive(1, b.buffer.element())
            a.queuePair.post(SendRequest(opcode, [a.buffer.element(0, 4096)]).at(b.buffer))
            a.queuePair.post(SendRequest(opcode, [a.buffer.element(0, 4097)]).at(b.buffer))
            endpoint.settle()
            #expect(a.sendQueue.drain().map(\.status) == [.success, .localLengthError])
        }
    }

    /// What a query says is what holds (ibv_query_device(3)).
    @Test func queryDevice() throws {
        let limits = limits {
            $0.queuePairsPerGuest = 11
            $0.completionQueuesPerGuest = 12
            $0.memoryRegionsPerGuest = 13
            $0.protectionDomainsPerGuest = 14
            $0.workRequestsPerQueue = 64
            $0.scatterGatherElements = 7
            $0.completionQueueEntries = 128
            $0.outstandingReads = 9
            $0.inlineBytes = 33
        }
        let context = try SimulatedEndpoint().addGuest(limits: limits).openContext()
        let reply = try context.guest.command(VRDMA_OP_QUERY_DEVICE, context: context.handle)
        let answer = try #require(reply.payload(as: vrdma_query_device_reply.self))
        #expect((answer.max_qp, answer.max_cq, answer.max_mr) == (11, 12, 13))
        #expect((answer.max_pd, answer.max_qp_wr, answer.max_sge) == (14, 64, 7))
        #expect((answer.max_cqe, answer.max_qp_rd_atom, answer.max_qp_init_rd_atom) == (128, 9, 9))
        #expect((answer.max_inline_bytes, answer.port_count, answer.guest_id) == (33, 1, context.guest.identifier))
        #expect(FixedText.read(answer.guest_name) == "guest1")
    }
}

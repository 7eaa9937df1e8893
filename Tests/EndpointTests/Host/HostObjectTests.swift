import CVRDMAABI
import HostSimulation
import Testing
import Verbs

@testable import Endpoint

/// The device's counterparts of guests' objects: made with them, never more than the device has, and gone with them.
struct HostObjectTests {
    @Test func madeAndDestroyedTogether() throws {
        let pair = try HostPair()
        let adapter = pair.adapter
        func counts() -> [Int] {
            [
                adapter.protectionDomainCount, adapter.completionQueueCount, adapter.memoryRegionCount,
                adapter.queuePairCount,
            ]
        }
        #expect(counts() == [1, 2, 1, 1])
        let domain = try pair.a.context.allocateProtectionDomain()
        let queue = try pair.a.context.createCompletionQueue()
        let memory = try pair.a.context.register(64, protectionDomain: domain)
        let queuePair = try pair.a.context.createQueuePair(
            protectionDomain: domain, sendQueue: queue, receiveQueue: queue)
        #expect(counts() == [2, 3, 2, 2])
        #expect(throws: Errno.busy) { try queue.destroy() }
        #expect(throws: Errno.busy) { try pair.a.context.command(VRDMA_OP_DEALLOC_PD, handle: domain) }
        try queuePair.destroy()
        try queue.destroy()
        try pair.a.context.deregister(memory)
        try pair.a.context.command(VRDMA_OP_DEALLOC_PD, handle: domain)
        #expect(counts() == [1, 2, 1, 1])
        try pair.a.context.close()
        pair.settle()
        #expect(counts() == [0, 0, 0, 0])
        pair.end()
    }

    @Test func limitsOfTheDevice() throws {
        let network = SimulatedNetwork()
        let adapter = try SimulatedHostAdapter(network: network, addresses: SimulatedEndpoint.addresses)
        adapter.attributes.queuePairs = 5
        adapter.attributes.completionQueues = 6
        adapter.attributes.protectionDomains = 7
        adapter.attributes.memoryRegions = 8
        adapter.attributes.workRequestsPerQueue = 100
        adapter.attributes.completionQueueEntries = 1000
        adapter.attributes.scatterGatherElements = 3
        adapter.attributes.inlineBytes = 40
        adapter.attributes.outstandingReadsAsResponder = 9
        adapter.attributes.memoryRegionBytes = 12345
        adapter.attributes.atomicCapability = 1
        adapter.port.messageBytes = 999
        var limits = DeviceLimits()
        limits.protectionDomainsPerGuest = 2
        let endpoint = SimulatedEndpoint(limits: limits, host: adapter)
        // Limits of a single guest are no way round the device's.
        let guest = try endpoint.addGuest(limits: limits)
        let context = try guest.openContext()
        let reply = try context.command(VRDMA_OP_QUERY_DEVICE, handle: 0)
        let answer = try #require(reply.payload(as: vrdma_query_device_reply.self))
        #expect((answer.max_qp, answer.max_cq, answer.max_pd, answer.max_mr) == (5, 6, 2, 8))
        #expect((answer.max_qp_wr, answer.max_cqe, answer.max_sge) == (64, 512, 3))
        #expect((answer.max_inline_bytes, answer.max_qp_rd_atom, answer.max_mr_size_bytes) == (40, 9, 12345))
        #expect((answer.atomic_capability, answer.vendor_id) == (1, 0x1234))

        let domain = try context.allocateProtectionDomain()
        #expect(throws: Errno.invalidArgument) { try context.createCompletionQueue(entries: 1024) }
        let queue = try context.createCompletionQueue(entries: 512)
        let small = SimulatedQueuePair.Capabilities(
            sendEntries: 64, receiveEntries: 64, sendElements: 3, receiveElements: 3, inlineBytes: 40)
        for wrong in [
            SimulatedQueuePair.Capabilities(
                sendEntries: 128, receiveEntries: 64, sendElements: 3, receiveElements: 3, inlineBytes: 40),
            .init(sendEntries: 64, receiveEntries: 64, sendElements: 4, receiveElements: 3, inlineBytes: 40),
            .init(sendEntries: 64, receiveEntries: 64, sendElements: 3, receiveElements: 3, inlineBytes: 41),
        ] {
            #expect(throws: Errno.invalidArgument) {
                try context.createQueuePair(wrong, protectionDomain: domain, sendQueue: queue, receiveQueue: queue)
            }
        }
        for _ in 0..<5 {
            _ = try context.createQueuePair(small, protectionDomain: domain, sendQueue: queue, receiveQueue: queue)
        }
        #expect(throws: Errno.outOfMemory) {
            try context.createQueuePair(small, protectionDomain: domain, sendQueue: queue, receiveQueue: queue)
        }
        for _ in 0..<8 { _ = try context.register(16, protectionDomain: domain) }
        #expect(throws: Errno.outOfMemory) { try context.register(16, protectionDomain: domain) }
        Invariants.check(endpoint)
        guest.remove()
        endpoint.settle()
        endpoint.expectEmpty()
    }

    /// Two guests share what the device has; who comes late gets `ENOMEM` and loses nothing.
    @Test func deviceIsExhausted() throws {
        let pair = try HostPair(.oneEndpoint)
        pair.adapter.attributes.memoryRegions = 3
        pair.adapter.attributes.protectionDomains = 2
        pair.adapter.attributes.queuePairs = 2
        pair.adapter.attributes.completionQueues = 4
        let first = try pair.a.register(64)
        #expect(throws: Errno.outOfMemory) { try pair.b.register(64) }
        #expect(throws: Errno.outOfMemory) { try pair.b.context.allocateProtectionDomain() }
        #expect(throws: Errno.outOfMemory) { try pair.b.context.createCompletionQueue() }
        #expect(throws: Errno.outOfMemory) {
            try pair.b.context.createQueuePair(
                protectionDomain: pair.b.protectionDomain, sendQueue: pair.b.sendQueue,
                receiveQueue: pair.b.receiveQueue)
        }
        pair.check()
        try pair.a.context.deregister(first)
        _ = try pair.b.register(64)
        #expect(pair.run(.write(to: pair.b.buffer)).map(\.status) == [.success])
        pair.end()
    }

    @Test func errorsOfTheDevice() throws {
        let pair = try HostPair()
        pair.adapter.behaviour.failNextDomain = .outOfMemory
        #expect(throws: Errno.outOfMemory) { try pair.a.context.allocateProtectionDomain() }
        pair.adapter.behaviour.failNextQueue = .notPermitted
        #expect(throws: Errno.notPermitted) { try pair.a.context.createCompletionQueue() }
        pair.adapter.behaviour.failNextQueuePair = .invalidArgument
        #expect(throws: Errno.invalidArgument) {
            try pair.a.context.createQueuePair(
                protectionDomain: pair.a.protectionDomain, sendQueue: pair.a.sendQueue,
                receiveQueue: pair.a.receiveQueue)
        }
        pair.check()
        _ = try pair.a.context.allocateProtectionDomain()
        _ = try pair.a.context.createCompletionQueue()
        _ = try pair.a.context.createQueuePair(
            protectionDomain: pair.a.protectionDomain, sendQueue: pair.a.sendQueue, receiveQueue: pair.a.receiveQueue)
        pair.end()
    }

    /// A guest dies with requests and registrations under way; the other one sees only that nobody answers.
    @Test(arguments: Seeds.first(20)) func guestDies(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var behaviour = SimulatedBehaviour()
        behaviour.memorySteps = 0...6
        behaviour.idleChance = 50
        let pair = try HostPair(.oneEndpoint, behaviour: behaviour, seed: seed)
        for identifier in 0..<20 { pair.b.queuePair.postReceive(UInt64(identifier)) }
        pair.a.queuePair.post((0..<20).map { .send().numbered(UInt64($0)) })
        var registration = vrdma_reg_mr_command()
        registration.length = 64
        registration.start = 0x1000
        registration.pd = pair.b.protectionDomain
        registration.access = 1
        registration.extent_count = 1
        registration.extents.0 = pair.b.context.memory.extent(0, 64)
        for sequence in 0..<UInt32(5) {
            var message = vrdma_message(
                opcode: VRDMA_OP_REG_MR.rawValue, sequence: 100 + sequence, context: pair.b.context.handle)
            message.setPayload(registration)
            #expect(pair.b.guest.begin(message) == nil)
        }
        for _ in 0..<Int.random(in: 0...8, using: &generator) { pair.endpoints[0].poll() }
        pair.check()
        pair.b.guest.remove()
        Invariants.check(pair.endpoints[0])
        pair.settle()
        let found = pair.a.sendQueue.drain()
        #expect(found.map(\.identifier) == Array(0..<20))
        #expect(found.contains { $0.status == .retryExceeded } || found.allSatisfy { $0.status == .success })
        #expect(pair.adapter.queuePairCount == 1)
        #expect(pair.adapter.memoryRegionCount == 1)
        #expect(pair.adapter.protectionDomainCount == 1)
        pair.end()
    }
}

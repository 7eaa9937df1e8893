import CVRDMAABI
import LinuxIO
import SharedMemory
import Testing
import Verbs

@testable import Endpoint

/// Objects in use cannot be freed (EBUSY), and when a context or guest ends, all that it had is freed.
struct ObjectLifetimeTests {
    @Test func busy() throws {
        let endpoint = SimulatedEndpoint()
        let context = try endpoint.addGuest().openContext()
        let domain = try context.allocateProtectionDomain()
        let channel = try context.createChannel()
        let queue = try context.createCompletionQueue(channel: channel)
        let other = try context.createCompletionQueue()
        let queuePair = try context.createQueuePair(protectionDomain: domain, sendQueue: queue, receiveQueue: other)
        let memory = try context.attach(sizeBytes: 8192)
        let buffer = try context.register([.init(memory: memory, offset: 0, length: 64)], protectionDomain: domain)

        func expectBusy(
            _ opcode: vrdma_opcode, _ handle: UInt32, sourceLocation: SourceLocation = #_sourceLocation
        ) {
            #expect(throws: Errno.busy, sourceLocation: sourceLocation) { try context.command(opcode, handle: handle) }
        }
        expectBusy(VRDMA_OP_DEALLOC_PD, domain)
        expectBusy(VRDMA_OP_DESTROY_COMP_CHANNEL, channel.handle)
        expectBusy(VRDMA_OP_DESTROY_CQ, queue.handle)
        expectBusy(VRDMA_OP_DESTROY_CQ, other.handle)
        expectBusy(VRDMA_OP_DETACH_REGION, memory.region)
        expectBusy(VRDMA_OP_DETACH_REGION, context.memory.region)

        try queuePair.destroy()
        expectBusy(VRDMA_OP_DEALLOC_PD, domain)
        try context.deregister(buffer)
        try context.command(VRDMA_OP_DEALLOC_PD, handle: domain)
        expectBusy(VRDMA_OP_DESTROY_COMP_CHANNEL, channel.handle)
        try queue.destroy()
        try context.command(VRDMA_OP_DESTROY_COMP_CHANNEL, handle: channel.handle)
        try context.command(VRDMA_OP_DETACH_REGION, handle: memory.region)
        // The context's own memory stays as long as the context.
        try other.destroy()
        expectBusy(VRDMA_OP_DETACH_REGION, context.memory.region)
        Invariants.check(endpoint)
    }

    /// Queues hold on to the memory in which they lie.
    @Test func queuesHoldMemory() throws {
        let context = try SimulatedEndpoint().addGuest().openContext()
        let memory = try context.attach(sizeBytes: 8192)
        let request = vrdma_create_cq_command(
            queue: memory.name(0), entries: 8, comp_channel: 0, slot: 0, reserved: 0)
        let handle = try context.handle(context.command(VRDMA_OP_CREATE_CQ, request))
        #expect(throws: Errno.busy) { try context.command(VRDMA_OP_DETACH_REGION, handle: memory.region) }
        try context.command(VRDMA_OP_DESTROY_CQ, handle: handle)
        try context.command(VRDMA_OP_DETACH_REGION, handle: memory.region)
    }

    private func expectEmpty(_ endpoint: SimulatedEndpoint, sourceLocation: SourceLocation = #_sourceLocation) {
        let device = endpoint.device
        #expect(device.queuePairs.count == 0, sourceLocation: sourceLocation)
        #expect(device.completionQueues.count == 0, sourceLocation: sourceLocation)
        #expect(device.contexts.count == 0, sourceLocation: sourceLocation)
        #expect(device.contextDetails.isEmpty, sourceLocation: sourceLocation)
        #expect(device.waiting.isEmpty, sourceLocation: sourceLocation)
        for guest in device.guests.values {
            #expect(guest.contexts.isEmpty, sourceLocation: sourceLocation)
            #expect(guest.regions.isEmpty, sourceLocation: sourceLocation)
            #expect(guest.memoryRegions.isEmpty, sourceLocation: sourceLocation)
            #expect(guest.protectionDomains.isEmpty, sourceLocation: sourceLocation)
            #expect(guest.channels.isEmpty, sourceLocation: sourceLocation)
            #expect(guest.mappings.count == 0, sourceLocation: sourceLocation)
            #expect(guest.queuePairNumbers.count == 0, sourceLocation: sourceLocation)
            #expect((guest.completionQueueCount, guest.mappedBytes) == (0, 0), sourceLocation: sourceLocation)
        }
        Invariants.check(endpoint, sourceLocation: sourceLocation)
    }

    /// With work of every kind under way.
    @Test(arguments: [true, false])
    func everythingIsFreed(byGuest: Bool) throws {
        var limits = DeviceLimits()
        limits.bytesPerTurn = 4096
        let pair = try ConnectedPair(limits: limits)
        for side in [pair.a, pair.b] {
            let channel = try side.context.createChannel()
            try side.context.createCompletionQueue(channel: channel).arm()
            _ = try side.context.attach(sizeBytes: 4096)
            let other = try Application(side.guest)
            try other.queuePair.connect(other.connection(to: side))
            // Waits for an answer for ever.
            other.queuePair.post(.send())
            side.queuePair.postReceive()
        }
        pair.a.queuePair.post(.write(pair.a.buffer.element(), to: pair.b.buffer), .send(), .send())
        pair.b.queuePair.post(.send(), .send())
        for _ in 0..<3 { pair.endpoint.poll() }
        for side in [pair.a, pair.b] {
            if byGuest {
                side.guest.remove()
            } else {
                for context in pair.endpoint.device.guests[side.guest.identifier]?.contexts ?? [] {
                    try side.guest.command(VRDMA_OP_CLOSE_CONTEXT, context: context)
                }
            }
            Invariants.check(pair.endpoint)
            pair.endpoint.advance(nanoseconds: 10_000_000_000)
        }
        #expect(pair.endpoint.device.guestCount == (byGuest ? 0 : 2))
        #expect(pair.endpoint.releasedMemoryCount == 6)
        expectEmpty(pair.endpoint)
        pair.endpoint.settle()
        #expect(pair.endpoint.device.prepareToSleep())
    }

    /// The endpoint's mapping of a memfd goes with its region.
    @Test func memoryIsUnmapped() throws {
        let endpoint = SimulatedEndpoint()
        let context = try endpoint.addGuest().openContext()
        weak var mapping: Mapping?
        do {
            let memory = try context.attach(sizeBytes: 1 << 20)
            mapping = endpoint.device.guests[context.guest.identifier]?.regions[memory.region]?.mapping
            #expect(mapping != nil)
            try context.command(VRDMA_OP_DETACH_REGION, handle: memory.region)
        }
        #expect(mapping == nil)
    }

    /// Contexts that open and close leave nothing behind, whatever order their handles are given in.
    @Test(arguments: Seeds.first(5))
    func manyContexts(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let endpoint = SimulatedEndpoint()
        let guests = try (0..<3).map { _ in try endpoint.addGuest() }
        var applications: [Application] = []
        for _ in 0..<60 {
            if applications.count < 6, generator.chance(3, of: 5), let guest = guests.randomElement(using: &generator) {
                let new = try Application(guest, bufferBytes: 4096, memoryBytes: 1 << 20)
                if let peer = applications.randomElement(using: &generator) {
                    try new.queuePair.connect(new.connection(to: peer))
                    new.queuePair.post(.write(new.buffer.element(0, 64), to: peer.buffer))
                }
                applications.append(new)
            } else if let position = applications.indices.randomElement(using: &generator) {
                try applications.remove(at: position).context.close()
            }
            endpoint.poll()
            Invariants.check(endpoint)
        }
        for application in applications { try application.context.close() }
        expectEmpty(endpoint)
    }

    /// A key that was freed does not come back with the same key portion until 256 others were given (IBA 10.6.3.3).
    @Test func keyPortion() throws {
        var limits = DeviceLimits()
        limits.memoryRegionsPerGuest = 2
        let application = try Application(SimulatedEndpoint().addGuest(limits: limits))
        var keys: [UInt32] = []
        for _ in 0..<256 {
            let buffer = try application.register(64)
            keys.append(buffer.key)
            try application.context.deregister(buffer)
            #expect(throws: Errno.invalidArgument) { try application.context.deregister(buffer) }
            application.queuePair.context.endpoint.settle()
        }
        #expect(Set(keys.map { $0 >> 8 }).count == 1)
        #expect(Set(keys).count == 256)
    }

    /// Queue pair numbers go round before they are used again, so that late requests of a peer meet nobody.
    @Test func queuePairNumbers() throws {
        let application = try Application(SimulatedEndpoint().addGuest())
        var numbers: [UInt32] = [application.queuePair.number]
        for _ in 0..<50 {
            let queuePair = try application.context.createQueuePair(
                .init(sendEntries: 1, receiveEntries: 1, sendElements: 1, receiveElements: 1, inlineBytes: 0),
                protectionDomain: application.protectionDomain, sendQueue: application.sendQueue,
                receiveQueue: application.receiveQueue)
            numbers.append(queuePair.number)
            try queuePair.destroy()
        }
        #expect(Set(numbers).count == numbers.count)
        #expect(numbers.allSatisfy { $0 > 1 && $0 <= 0xff_ffff })
    }

    /// A queue pair without a receive queue names no memory for it: whatever its command says there is not held, and not
    /// let go of. Otherwise a region could be unmapped under a memory region that lies in it.
    @Test func regionOfNoReceiveQueue() throws {
        let endpoint = SimulatedEndpoint()
        let application = try Application(endpoint.addGuest())
        let context = application.context
        var request = vrdma_create_qp_command()
        request.send_queue = context.memory.name(try context.memory.allocate(4096))
        (request.send_entries, request.send_stride_bytes, request.max_send_sge) = (4, 64, 1)
        request.pd = application.protectionDomain
        (request.send_cq, request.receive_cq) = (application.sendQueue.handle, application.receiveQueue.handle)
        request.type = VRDMA_QPT_RC.rawValue
        request.slot = context.freeSlot
        // The number that the next region will have.
        let probe = try context.attach(sizeBytes: 4096)
        request.receive_queue.region = probe.region + 1
        let queuePair = try context.createQueuePair(request)
        let memory = try context.attach(sizeBytes: 4096)
        #expect(memory.region == probe.region + 1)
        _ = try context.register(
            [.init(memory: memory, offset: 0, length: 64)], protectionDomain: application.protectionDomain)
        try queuePair.destroy()
        #expect(throws: Errno.busy) { try context.command(VRDMA_OP_DETACH_REGION, handle: memory.region) }
        Invariants.check(endpoint)

        // Nor is somebody else's region held.
        let other = try Application(application.guest)
        let foreign = try other.context.attach(sizeBytes: 4096)
        request.receive_queue.region = foreign.region
        _ = try context.createQueuePair(request)
        try other.context.command(VRDMA_OP_DETACH_REGION, handle: foreign.region)
    }

    /// A slot of the doorbells has one queue pair at a time.
    @Test func doorbellSlots() throws {
        let endpoint = SimulatedEndpoint()
        let application = try Application(endpoint.addGuest())
        let context = application.context
        func request(slot: UInt32) throws -> vrdma_create_qp_command {
            var request = vrdma_create_qp_command()
            request.send_queue = context.memory.name(try context.memory.allocate(4096))
            request.receive_queue = request.send_queue
            (request.send_entries, request.send_stride_bytes, request.max_send_sge) = (4, 64, 1)
            request.pd = application.protectionDomain
            (request.send_cq, request.receive_cq) = (application.sendQueue.handle, application.receiveQueue.handle)
            request.type = VRDMA_QPT_RC.rawValue
            request.slot = slot
            return request
        }
        #expect(throws: Errno.busy) { try context.createQueuePair(request(slot: application.queuePair.slot)) }
        let limit = UInt32(DeviceLimits().queuePairsPerGuest)
        for slot in [limit, VRDMA_DOORBELL_SLOTS, .max] {
            #expect(throws: Errno.invalidArgument) { try context.createQueuePair(request(slot: slot)) }
        }
        for slot in [limit - 1, 64, 5] {
            let queuePair = try context.createQueuePair(request(slot: slot))
            try queuePair.modify(.error)
            endpoint.settle()
            for _ in 0..<600 { endpoint.poll() }
            queuePair.post(.send())
            endpoint.settle()
            #expect(application.sendQueue.drain().map(\.queuePair) == [queuePair.number])
            try queuePair.destroy()
            _ = try context.createQueuePair(request(slot: slot))
        }
        Invariants.check(endpoint)
    }
}

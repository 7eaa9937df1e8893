import CVRDMAABI
import HostSimulation
import Testing
import Verbs

@testable import Endpoint

/// The device goes away, whatever is under way, and comes back.
struct HostLossTests {
    @Test(arguments: Seeds.first(20)) func everythingUnderWay(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var behaviour = SimulatedBehaviour()
        behaviour.idleChance = 60
        let pair = try HostPair(behaviour: behaviour, seed: seed)
        for identifier in 0..<40 { pair.a.queuePair.postReceive(UInt64(identifier)) }
        pair.a.queuePair.post(
            (0..<40).map { identifier in
                SendRequest.write(to: pair.b.buffer).numbered(UInt64(identifier)).with {
                    $0.isSignaled = identifier % 3 == 0
                }
            })
        pair.b.queuePair.post((0..<10).map { .send().numbered(UInt64($0)) })
        for _ in 0..<Int.random(in: 0...10, using: &generator) {
            for endpoint in pair.endpoints { endpoint.poll() }
        }
        pair.adapter.lose()
        Invariants.check(pair.endpoints[0])
        pair.settle()
        let sent = pair.a.sendQueue.drain()
        // Each once, in order: those that were signaled or flushed.
        #expect(sent.map(\.identifier) == sent.map(\.identifier).sorted())
        #expect(Set(sent.map(\.identifier)).count == sent.count)
        #expect(Set(sent.map(\.identifier)).isSuperset(of: (0..<40).filter { $0 % 3 == 0 }.map(UInt64.init)))
        #expect(sent.allSatisfy { $0.status == .success || $0.status == .flushError })
        let received = pair.a.receiveQueue.drain()
        #expect(received.map(\.identifier) == Array(0..<40))
        let events = pair.a.context.takeAsyncEvents().filter { $0.type != .communicationEstablished }
        #expect(events == [.init(.queuePairFatal, pair.a.queuePair.number), .init(.portError, 1)])
        #expect(pair.endpoints[0].hostLines == ["lost"])
        // Posting goes on to be flushed.
        #expect(pair.run(.send()).map(\.status) == [.flushError])

        pair.adapter.restore()
        pair.settle()
        #expect(pair.a.context.takeAsyncEvents() == [.init(.portActive, 1)])
        #expect(pair.endpoints[0].hostLines == ["lost", "available"])
        pair.check()
        #expect(pair.adapter.memoryRegionCount == 1)
        // A new queue pair works, and the memory of before.
        try pair.b.queuePair.modify(.reset)
        pair.settle()
        _ = pair.b.sendQueue.drain()
        let new = try pair.a.context.createQueuePair(
            protectionDomain: pair.a.protectionDomain, sendQueue: pair.a.sendQueue, receiveQueue: pair.a.receiveQueue)
        var connection = pair.b.connection(to: pair.a)
        connection.destinationNumber = new.number
        try pair.b.queuePair.connect(connection)
        try new.connect(pair.a.connection(to: pair.b))
        pair.a.buffer.write([4, 5, 6])
        new.post(.write(pair.a.buffer.element(0, 3), to: pair.b.buffer, at: 99))
        pair.settle()
        #expect(pair.a.sendQueue.drain().map(\.status) == [.success])
        #expect(pair.b.buffer.bytes(99..<102) == [4, 5, 6])
        pair.end()
    }

    /// During a registration the command ends with an error, and the next one works without the device.
    @Test func duringARegistration() throws {
        let pair = try HostPair()
        pair.adapter.behaviour.memorySteps = 3...3
        var request = vrdma_reg_mr_command()
        (request.length, request.start, request.pd, request.access) = (64, 0, pair.a.protectionDomain, 1)
        request.extent_count = 1
        request.extents.0 = pair.a.context.memory.extent(try pair.a.context.memory.allocate(64), 64)
        var message = vrdma_message(opcode: VRDMA_OP_REG_MR.rawValue, sequence: 3, context: pair.a.context.handle)
        message.setPayload(request)
        #expect(pair.a.guest.begin(message) == nil)
        pair.endpoints[0].serveHost()
        pair.adapter.lose()
        pair.settle()
        let status = pair.endpoints[0].takeReplies(of: pair.a.guest.identifier).map(\.status)
        #expect(status == [UInt32(Errno.noSuchDevice.rawValue)])
        pair.check()
        // Made without the device, and registered with it later.
        let memory = try pair.a.register(64)
        let domain = try pair.a.context.allocateProtectionDomain()
        let other = try pair.a.context.register(32, protectionDomain: domain)
        pair.adapter.restore()
        pair.settle()
        #expect(pair.adapter.memoryRegionCount == 3)
        for buffer in [memory, other] { try pair.a.context.deregister(buffer) }
        #expect(pair.adapter.memoryRegionCount == 1)
        pair.end()
    }

    /// Memory that the device does not have yet again is not used by the key of before, which may be another's now.
    @Test func usedBeforeItReturns() throws {
        let pair = try HostPair()
        pair.adapter.lose()
        pair.settle()
        _ = pair.a.context.takeAsyncEvents()
        pair.adapter.behaviour.memorySteps = 1000...1000
        pair.adapter.behaviour.remembersRequests = true
        pair.adapter.restore()
        pair.endpoints[0].serveHost()
        let new = try pair.a.context.createQueuePair(
            protectionDomain: pair.a.protectionDomain, sendQueue: pair.a.sendQueue, receiveQueue: pair.a.receiveQueue)
        try new.connect(pair.a.connection(to: pair.b))
        new.post(.write(pair.a.buffer.element(0, 8), to: pair.b.buffer))
        for _ in 0..<20 { pair.endpoints[0].poll() }
        #expect(pair.a.sendQueue.drain().map(\.status) == [.localProtectionError])
        #expect(pair.adapter.posted.isEmpty)
        pair.end()
    }

    /// Memory that goes away while it is registered again.
    @Test func deregisteredWhileItReturns() throws {
        let pair = try HostPair()
        let memory = try (0..<5).map { _ in try pair.a.register(64) }
        pair.adapter.lose()
        pair.settle()
        pair.adapter.behaviour.memorySteps = 5...5
        pair.adapter.restore()
        pair.endpoints[0].serveHost()
        // A guest's registrations begin one after the other.
        #expect(pair.adapter.pendingMemoryCount == 1)
        for buffer in memory { try pair.a.context.deregister(buffer) }
        pair.check()
        // And gone again before it is done.
        pair.adapter.lose()
        pair.settle()
        pair.adapter.restore()
        pair.settle()
        #expect(pair.adapter.memoryRegionCount == 1)
        #expect(!pair.endpoints[0].hostLines.contains { $0 != "lost" && $0 != "available" })
        pair.end()
    }

    /// The device comes back with less than before: what there is no room for is reported, and the rest works.
    @Test func returnsSmaller() throws {
        let pair = try HostPair()
        _ = try (0..<5).map { _ in try pair.a.register(64) }
        pair.adapter.lose()
        pair.settle()
        pair.adapter.attributes.memoryRegions = 3
        pair.adapter.attributes.completionQueues = 1
        pair.adapter.restore()
        pair.settle()
        #expect(pair.endpoints[0].hostLines.count == 2 + 3 + 1)
        pair.check()
        pair.end()
    }

    @Test func portChanges() throws {
        let pair = try HostPair()
        func state() throws -> UInt32? {
            let reply = try pair.a.context.command(VRDMA_OP_QUERY_PORT, handle: 1)
            return reply.payload(as: vrdma_query_port_reply.self)?.state
        }
        pair.adapter.change(port: 1)
        pair.settle()
        #expect(pair.a.context.takeAsyncEvents() == [.init(.portError, 1)])
        #expect(try state() == 1)
        #expect(pair.run(.write(to: pair.b.buffer)).map(\.status) == [.retryExceeded])
        pair.adapter.change(port: 4)
        pair.settle()
        #expect(pair.a.context.takeAsyncEvents() == [.init(.portActive, 1)])
        #expect(try state() == 4)
        pair.end()
    }

    /// Objects come and go while the device does, a hundred times: nothing adds up.
    @Test(arguments: Seeds.first(5)) func again(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var behaviour = SimulatedBehaviour()
        behaviour.memorySteps = 0...4
        behaviour.modificationSteps = 0...3
        behaviour.hasSeparateKeys = generator.chance(1, of: 2)
        let pair = try HostPair(.oneEndpoint, behaviour: behaviour, seed: seed)
        var memory: [RegisteredBuffer] = []
        for _ in 0..<100 {
            for _ in 0..<Int.random(in: 0...6, using: &generator) {
                switch Int.random(in: 0..<6, using: &generator) {
                case 0: if let made = try? pair.a.register(16) { memory.append(made) }
                case 1: if let old = memory.popLast() { try pair.a.context.deregister(old) }
                case 2:
                    for side in [pair.a, pair.b] { try? side.queuePair.modify(.reset) }
                    try? pair.connect()
                case 3: pair.a.queuePair.post(.write(to: pair.b.buffer))
                case 4: pair.endpoints[0].poll()
                default:
                    let application = try? Application(pair.a.guest, bufferBytes: 64, memoryBytes: 1 << 20)
                    try application?.context.close()
                }
                _ = pair.a.sendQueue.drain()
            }
            if generator.chance(2, of: 3) { pair.adapter.lose() }
            if generator.chance(1, of: 2) { pair.endpoints[0].poll() }
            pair.adapter.restore()
            if generator.chance(1, of: 2) { pair.endpoints[0].poll() }
            pair.check()
        }
        pair.settle()
        #expect(pair.adapter.memoryRegionCount == memory.count + 2)
        #expect(pair.adapter.completionQueueCount == 4)
        #expect(pair.adapter.protectionDomainCount == 2)
        pair.end()
    }
}

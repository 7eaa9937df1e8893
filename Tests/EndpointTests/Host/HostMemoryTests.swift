import CVRDMAABI
import Glibc
import HostSimulation
import TestKit
import Testing
import Verbs

@testable import Endpoint

/// Registering and deregistering takes the device its time; commands are answered when it is done.
struct HostMemoryTests {
    private func slowPair(_ steps: Int = 5, layout: HostPair.Layout = .twoEndpoints) throws -> HostPair {
        let pair = try HostPair(layout)
        pair.adapter.behaviour.memorySteps = steps...steps
        return pair
    }

    private func registration(_ side: Application, sequence: UInt32) throws -> vrdma_message {
        var request = vrdma_reg_mr_command()
        request.length = 64
        request.start = 0x1000
        request.pd = side.protectionDomain
        request.access = 1
        request.extent_count = 1
        request.extents.0 = side.context.memory.extent(try side.context.memory.allocate(64), 64)
        var message = vrdma_message(
            opcode: VRDMA_OP_REG_MR.rawValue, sequence: sequence, context: side.context.handle)
        message.setPayload(request)
        return message
    }

    private func handleCommand(
        _ opcode: vrdma_opcode, _ side: Application, _ handle: UInt32, sequence: UInt32 = 50
    ) -> vrdma_message {
        var message = vrdma_message(opcode: opcode.rawValue, sequence: sequence, context: side.context.handle)
        message.setPayload(vrdma_handle_command(handle: handle, index: 0))
        return message
    }

    /// The replies to a guest, once the device had time.
    private func replies(_ pair: HostPair, _ side: Application) -> [vrdma_message] {
        pair.settle()
        return side.guest.endpoint.takeReplies(of: side.guest.identifier)
    }

    @Test func repliesComeLater() throws {
        let pair = try slowPair()
        for sequence in 11...13 {
            #expect(pair.a.guest.begin(try registration(pair.a, sequence: UInt32(sequence))) == nil)
        }
        #expect(pair.endpoints[0].takeReplies(of: pair.a.guest.identifier).isEmpty)
        #expect(pair.endpoints[0].device.status().host?.pendingRegistrations == 3)
        // Others are served meanwhile.
        #expect(pair.run(.write(to: pair.b.buffer)).map(\.status) == [.success])
        let found = replies(pair, pair.a)
        #expect(Set(found.map(\.sequence)) == [11, 12, 13])
        #expect(found.allSatisfy { $0.status == 0 && $0.opcode == UInt16(VRDMA_OP_REG_MR.rawValue) })
        let keys = found.compactMap { $0.payload(as: vrdma_reg_mr_reply.self)?.lkey }
        #expect(Set(keys).count == 3)
        #expect(keys.allSatisfy(pair.adapter.isReachable))
        // Deregistration likewise: no peer reaches it when the guest is told.
        #expect(pair.a.guest.begin(handleCommand(VRDMA_OP_DEREG_MR, pair.a, keys[0])) == nil)
        #expect(pair.adapter.isReachable(keys[0]))
        #expect(pair.a.guest.execute(handleCommand(VRDMA_OP_DEREG_MR, pair.a, keys[0])).status == UInt32(EINVAL))
        pair.check()
        #expect(replies(pair, pair.a).map(\.status) == [0])
        #expect(!pair.adapter.isReachable(keys[0]))
        pair.end()
    }

    /// A guest that registers much keeps another waiting for one registration at most.
    @Test func guestsTakeTurns() throws {
        let pair = try slowPair(layout: .oneEndpoint)
        for sequence in 100..<140 {
            #expect(pair.a.guest.begin(try registration(pair.a, sequence: UInt32(sequence))) == nil)
        }
        #expect(pair.adapter.pendingMemoryCount == 1)
        #expect(pair.b.guest.begin(try registration(pair.b, sequence: 7)) == nil)
        #expect(pair.adapter.pendingMemoryCount == 2)
        var rounds = 0
        while pair.endpoints[0].takeReplies(of: pair.b.guest.identifier).isEmpty, rounds < 1000 {
            pair.endpoints[0].poll()
            rounds += 1
        }
        #expect(rounds < 20)
        #expect(replies(pair, pair.a).count == 40)
        pair.check()
        pair.end()
    }

    /// Mappings that put a region's pieces together are bounded for each guest; one piece needs none.
    @Test func piecesAreBounded() throws {
        var limits = DeviceLimits()
        limits.stitchedPiecesPerGuest = 5
        let pair = try HostPair(.oneEndpoint, limits: limits)
        var generator = SeededGenerator(seed: 1)
        let domain = pair.a.protectionDomain
        let first = try pair.a.context.registerScattered([64, 64, 64], protectionDomain: domain, using: &generator)
        #expect(throws: Errno.outOfMemory) {
            try pair.a.context.registerScattered([64, 64, 64], protectionDomain: domain, using: &generator)
        }
        _ = try pair.a.register(64)
        // Of each guest.
        _ = try pair.b.context.registerScattered(
            [64, 64, 64], protectionDomain: pair.b.protectionDomain, using: &generator)
        try pair.a.context.deregister(first)
        _ = try pair.a.context.registerScattered([64, 64, 64, 64], protectionDomain: domain, using: &generator)
        pair.check()
        pair.end()
    }

    /// What a registration or deregistration under way needs cannot be taken from under it.
    @Test func busyMeanwhile() throws {
        let pair = try slowPair()
        let region = try pair.a.context.attach(sizeBytes: 8192)
        let domain = try pair.a.context.allocateProtectionDomain()
        var request = vrdma_reg_mr_command()
        (request.length, request.start, request.pd, request.access, request.extent_count) = (64, 0, domain, 1, 1)
        request.extents.0 = region.extent(0, 64)
        var message = vrdma_message(
            opcode: VRDMA_OP_REG_MR.rawValue, sequence: 9, context: pair.a.context.handle)
        message.setPayload(request)
        func expectBusy() {
            pair.check()
            #expect(throws: Errno.busy) { try pair.a.context.command(VRDMA_OP_DETACH_REGION, handle: region.region) }
            #expect(throws: Errno.busy) { try pair.a.context.command(VRDMA_OP_DEALLOC_PD, handle: domain) }
        }
        #expect(pair.a.guest.begin(message) == nil)
        expectBusy()
        let key = try #require(replies(pair, pair.a).first?.payload(as: vrdma_reg_mr_reply.self)).lkey
        expectBusy()
        #expect(pair.a.guest.begin(handleCommand(VRDMA_OP_DEREG_MR, pair.a, key)) == nil)
        expectBusy()
        pair.settle()
        try pair.a.context.command(VRDMA_OP_DETACH_REGION, handle: region.region)
        try pair.a.context.command(VRDMA_OP_DEALLOC_PD, handle: domain)
        pair.end()
    }

    @Test func deviceCannotRegister() throws {
        let pair = try slowPair(0)
        pair.adapter.behaviour.failNextRegistration = .outOfMemory
        #expect(throws: Errno.outOfMemory) { try pair.a.register(64) }
        pair.check()
        _ = try pair.a.register(64)
        // What the engine itself refuses never reaches the device.
        #expect(throws: Errno.invalidArgument) {
            try pair.a.context.register([], protectionDomain: pair.a.protectionDomain)
        }
        pair.end()
    }

    /// Registrations under way count towards the limit.
    @Test func limitMeanwhile() throws {
        var limits = DeviceLimits()
        limits.memoryRegionsPerGuest = 4
        let pair = try HostPair(limits: limits)
        pair.adapter.behaviour.memorySteps = 5...5
        for sequence in 1...3 {
            #expect(pair.a.guest.begin(try registration(pair.a, sequence: UInt32(sequence))) == nil)
        }
        let refused = try #require(pair.a.guest.begin(try registration(pair.a, sequence: 4)))
        #expect(refused.status == UInt32(ENOMEM))
        #expect(replies(pair, pair.a).map(\.status) == [0, 0, 0])
        pair.end()
    }

    /// A context that is closed with commands under way: each has its answer, and nothing is left.
    @Test(arguments: Seeds.first(10)) func contextIsClosed(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let pair = try slowPair(4)
        let buffer = try pair.a.register(64)
        #expect(pair.a.guest.begin(handleCommand(VRDMA_OP_DEREG_MR, pair.a, buffer.key, sequence: 20)) == nil)
        for sequence in 21...24 {
            #expect(pair.a.guest.begin(try registration(pair.a, sequence: UInt32(sequence))) == nil)
        }
        for _ in 0..<Int.random(in: 0...6, using: &generator) { pair.endpoints[0].serveHost() }
        try pair.a.context.close()
        pair.check()
        // Another context at the same place has nothing to do with them.
        let next = try Application(pair.a.guest)
        pair.check()
        #expect(Set(replies(pair, pair.a).map(\.sequence)) == Set(20...24))
        pair.check()
        #expect(pair.adapter.memoryRegionCount == 1)
        #expect(pair.endpoints[0].device.guest(pair.a.guest.identifier)?.extentCount == 1)
        try next.context.close()
        pair.end()
    }

    /// Memory that is deregistered with requests under way: they end in error or are done, and never hang.
    @Test func deregisteredUnderWay() throws {
        let pair = try HostPair()
        pair.adapter.behaviour.idleChance = 90
        let source = try pair.a.register(64)
        pair.a.queuePair.post((0..<30).map { .write(source.element(0, 8), to: pair.b.buffer).numbered(UInt64($0)) })
        for _ in 0..<3 { pair.endpoints[0].poll() }
        try pair.a.context.deregister(source)
        pair.settle()
        let found = pair.a.sendQueue.drain()
        #expect(found.map(\.identifier) == Array(0..<30))
        #expect(found.contains { $0.status == .localProtectionError })
        pair.end()
    }
}

import CVRDMAABI
import Testing
import Verbs

@testable import Endpoint

/// A guest driver that sends anything: the device survives, its tables stay in order, others do not suffer.
struct HostileCommandTests {
    @Test(arguments: Seeds.first(20))
    func randomCommands(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var limits = DeviceLimits()
        limits.queuePairsPerGuest = 64
        limits.completionQueuesPerGuest = 64
        limits.contextsPerGuest = 3
        let endpoint = SimulatedEndpoint(limits: limits)
        let innocents = try Innocents(endpoint, using: &generator)
        let guest = try endpoint.addGuest()
        var commands = try RandomCommands()
        var succeeded = 0
        for turn in 0..<1500 {
            let (command, descriptors) = commands.next(using: &generator)
            let reply = guest.execute(command, descriptors: descriptors)
            #expect((reply.sequence, reply.opcode) == (command.sequence, command.opcode))
            if reply.status == 0 { succeeded += 1 }
            commands.learn(command, reply)
            if turn % 4 == 0 { commands.scribble(endpoint.device, using: &generator) }
            if turn % 4 == 1 { endpoint.poll() }
            if turn % 16 == 1 { Invariants.check(endpoint) }
            if turn % 250 == 0 {
                innocents.check(using: &generator)
            }
        }
        // The commands are no mere noise: many of them are carried out.
        #expect(succeeded > 400)
        Invariants.check(endpoint)
        guest.remove()
        Invariants.check(endpoint)
        innocents.check(using: &generator)
        #expect(endpoint.device.queuePairs.count == 2)
        #expect(endpoint.device.completionQueues.count == 4)
        #expect(endpoint.device.contexts.count == 2)
    }

    /// Nothing but noise.
    @Test(arguments: Seeds.first(5))
    func noise(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let endpoint = SimulatedEndpoint()
        let innocents = try Innocents(endpoint, using: &generator)
        let guest = try endpoint.addGuest()
        let context = try guest.openContext()
        for _ in 0..<3000 {
            var message = vrdma_message()
            let bytes = generator.bytes(MemoryLayout<vrdma_message>.size)
            withUnsafeMutableBytes(of: &message) { $0.copyBytes(from: bytes) }
            if generator.chance(3, of: 4) {
                message.opcode = UInt16.random(in: 3...UInt16(VRDMA_OP_LAST.rawValue), using: &generator)
                message.context = context.handle
            }
            _ = guest.execute(message)
        }
        Invariants.check(endpoint)
        innocents.check(using: &generator)
    }
}

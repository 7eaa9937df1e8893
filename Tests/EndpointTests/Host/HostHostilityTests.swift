import CVRDMAABI
import HostSimulation
import SharedMemory
import Testing
import Verbs

@testable import Endpoint

/// Guests that do anything, beside guests that do nothing wrong, all on one device: the innocent ones notice nothing, and
/// in the end nothing is left.
struct HostHostilityTests {
    private struct World {
        let adapter: SimulatedHostAdapter
        let endpoint: SimulatedEndpoint

        init(_ seed: UInt64, using generator: inout SeededGenerator) throws {
            var behaviour = SimulatedBehaviour()
            behaviour.hasSeparateKeys = generator.chance(1, of: 2)
            behaviour.idleChance = [0, 20, 50].randomElement(using: &generator) ?? 0
            behaviour.requestsPerStep = [1, 3, 32].randomElement(using: &generator) ?? 1
            behaviour.batchCapacity = [1, 3, 64].randomElement(using: &generator) ?? 1
            behaviour.memorySteps = 0...Int.random(in: 0...4, using: &generator)
            behaviour.modificationSteps = 0...Int.random(in: 0...4, using: &generator)
            adapter = try SimulatedHostAdapter(
                network: SimulatedNetwork(), addresses: SimulatedEndpoint.addresses, seed: seed, behaviour: behaviour)
            var limits = DeviceLimits()
            limits.totalQueuePairs = 128
            limits.totalCompletionQueues = 128
            limits.queuePairsPerGuest = 16
            limits.completionQueuesPerGuest = 16
            limits.contextsPerGuest = 3
            limits.workRequestsPerTurn = [2, 128].randomElement(using: &generator) ?? 2
            endpoint = SimulatedEndpoint(
                limits: limits, host: adapter, usesLocalPath: generator.chance(1, of: 4))
        }

        func end() {
            for guest in endpoint.device.guests.keys.sorted() { endpoint.device.removeGuest(guest) }
            endpoint.settle()
            endpoint.expectEmpty()
        }
    }

    /// Wrong requests and indices of an application that is connected with an innocent one's address.
    private struct HostileApplication {
        let application: Application
        let others: [Application]

        func act(using generator: inout SeededGenerator) {
            let queuePair = application.queuePair
            switch Int.random(in: 0..<14, using: &generator) {
            case 0..<6: post(using: &generator)
            case 6..<8:
                queuePair.postReceive(
                    generator.next(),
                    elements: (0..<Int.random(in: 0...4, using: &generator)).map { _ in element(using: &generator) })
            case 8: queuePair.publishSend(tail(queuePair.sendTail, using: &generator))
            case 9: queuePair.publishReceive(tail(queuePair.receiveTail, using: &generator))
            case 10: try? queuePair.modify(.reset)
            case 11:
                try? queuePair.modify(
                    [.error, .sendQueueDrained, .readyToSend].randomElement(using: &generator) ?? .error)
            case 12: scribble(using: &generator)
            default:
                guard let peer = others.randomElement(using: &generator) else { return }
                try? queuePair.modify(.reset)
                try? queuePair.connect(application.connection(to: peer, Connection(retryCount: 0, rnrRetry: 0)))
            }
            if generator.chance(1, of: 2) {
                _ = application.sendQueue.drain()
                _ = application.receiveQueue.drain()
            }
        }

        private func tail(_ tail: UInt32, using generator: inout SeededGenerator) -> UInt32 {
            let values = [tail &+ 1, tail &+ 100, tail &- 1, 0, UInt32(truncatingIfNeeded: generator.next())]
            return values.randomElement(using: &generator) ?? tail
        }

        private func element(using generator: inout SeededGenerator) -> vrdma_sge {
            var element = application.buffer.element(
                Int.random(in: 0..<60000, using: &generator), Int.random(in: 0...600, using: &generator))
            if generator.chance(1, of: 8) { element.lkey = others.randomElement(using: &generator)?.buffer.key ?? 0 }
            if generator.chance(1, of: 8) { element.address = generator.next() }
            if generator.chance(1, of: 20) { element.length = .max }
            return element
        }

        private func post(using generator: inout SeededGenerator) {
            let queuePair = application.queuePair
            var request = SendRequest(
                WorkRequestOpcode.allCases.randomElement(using: &generator) ?? .send,
                (0..<Int.random(in: 0...3, using: &generator)).map { _ in element(using: &generator) })
            request.isSignaled = generator.chance(1, of: 2)
            if let other = others.randomElement(using: &generator) {
                request = request.at(other.buffer, Int.random(in: 0..<8192, using: &generator))
            }
            queuePair.write(request, at: queuePair.sendTail)
            if generator.chance(1, of: 5) {
                let place = queuePair.send.entry(queuePair.sendTail)
                (place + Int.random(in: 8..<64, using: &generator)).storeBytes(
                    of: UInt8.random(in: 0...255, using: &generator), as: UInt8.self)
            }
            queuePair.publishSend(queuePair.sendTail &+ 1)
        }

        /// Any word of the queues' headers, which the endpoint writes too.
        private func scribble(using generator: inout SeededGenerator) {
            let queuePair = application.queuePair
            let word = UInt32(truncatingIfNeeded: generator.next())
            let indices = [
                queuePair.send.head, queuePair.send.doorbellWanted, queuePair.receive.head,
                queuePair.receive.doorbellWanted, application.sendQueue.ring.arm, application.sendQueue.ring.head,
            ]
            indices.randomElement(using: &generator)?.exchange(word)
        }
    }

    @Test(arguments: Seeds.first(300)) func innocentsNoticeNothing(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let world = try World(seed, using: &generator)
        let innocents = try Innocents(world.endpoint, using: &generator)
        // Their memory is protected by their protection domains: not even a peer that is connected reaches it, because
        // no queue pair of theirs is connected with it.
        let hostile = HostileApplication(
            application: try Application(world.endpoint.addGuest()), others: [innocents.one, innocents.other])
        let driver = try world.endpoint.addGuest()
        var commands = try RandomCommands()
        var open: [UInt32: vrdma_message] = [:]
        for step in 0..<60 {
            hostile.act(using: &generator)
            for _ in 0..<4 {
                var (command, descriptors) = commands.next(using: &generator)
                command.sequence = UInt32(open.count + 1) &+ UInt32(step) << 16 &+ command.sequence << 8
                open[command.sequence] = command
                if let reply = driver.begin(command, descriptors: descriptors) {
                    commands.learn(command, reply)
                    open[command.sequence] = nil
                }
            }
            if step % 4 == 0 { commands.scribble(world.endpoint.device, using: &generator) }
            world.endpoint.poll()
            for reply in world.endpoint.takeReplies(of: driver.identifier) {
                guard let command = open.removeValue(forKey: reply.sequence) else {
                    Issue.record("a reply to no command")
                    continue
                }
                commands.learn(command, reply)
            }
            if step % 10 == 5 { Invariants.check(world.endpoint) }
            if step % 30 == 29 { innocents.check(using: &generator) }
        }
        world.endpoint.settle()
        for reply in world.endpoint.takeReplies(of: driver.identifier) { open[reply.sequence] = nil }
        #expect(open.isEmpty, "commands without an answer")
        Invariants.check(world.endpoint)
        innocents.check(using: &generator)
        world.end()
    }

    /// The same with a device that comes and goes: every command is answered, and nothing is left.
    @Test(arguments: Seeds.first(60)) func deviceComesAndGoes(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let world = try World(seed, using: &generator)
        world.adapter.behaviour.failureChance = 20
        let applications = try (0..<3).map { _ in try Application(world.endpoint.addGuest()) }
        let driver = try world.endpoint.addGuest()
        var commands = try RandomCommands()
        for step in 0..<120 {
            for (position, application) in applications.enumerated() {
                var others = applications
                others.remove(at: position)
                HostileApplication(application: application, others: others).act(using: &generator)
            }
            let (command, descriptors) = commands.next(using: &generator)
            let reply = driver.execute(command, descriptors: descriptors)
            #expect(reply.status != UInt32(Errno.timedOut.rawValue))
            commands.learn(command, reply)
            switch Int.random(in: 0..<20, using: &generator) {
            case 0: world.adapter.lose()
            case 1..<4: world.adapter.restore()
            case 4: world.adapter.change(port: generator.chance(1, of: 3) ? 1 : 4)
            case 5..<8: break
            default: world.endpoint.poll()
            }
            if step % 10 == 5 { Invariants.check(world.endpoint) }
        }
        world.adapter.restore()
        world.endpoint.settle()
        Invariants.check(world.endpoint)
        world.end()
    }
}

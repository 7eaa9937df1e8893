import CVRDMAABI
import Glibc
import SharedMemory
import TestKit
import Testing
import Verbs

@testable import GuestDriver

/// Applications that come, command and go as a seed has it, against a model of the endpoint.
private struct Simulation {
    var generator: SeededGenerator
    var router: CommandRouter
    var nowNanoseconds: UInt64 = 0
    /// Commands that the endpoint has not answered, oldest first.
    var atEndpoint: [vrdma_message] = []
    /// Contexts that are open at the endpoint.
    var contexts: Set<UInt32> = []
    var nextApplication: UInt64 = 1
    var nextSequence: UInt32 = 0
    /// What each application waits for.
    var awaited: [ApplicationIdentifier: UInt32] = [:]
    var applications: [ApplicationIdentifier] = []
    var problems: [String] = []

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
        router = CommandRouter(firstSequence: UInt32.max - 50)
        router.limits.commandTimeoutNanoseconds = 40
        router.limits.registrationTimeoutNanoseconds = 60
        router.limits.maximumPending = 64
    }

    mutating func step() {
        nowNanoseconds += UInt64.random(in: 0...2, using: &generator)
        switch Int.random(in: 0..<100, using: &generator) {
        case 0..<6 where applications.count < 12: connect()
        case 0..<10: disconnect()
        case 10..<50: command()
        case 50..<95: answer()
        case 95..<98: event()
        case 98: expire()
        default: if Int.random(in: 0..<20, using: &generator) == 0 { loseEndpoint() }
        }
        expire()
    }

    private mutating func connect() {
        let identifier = ApplicationIdentifier(rawValue: nextApplication)
        nextApplication += 1
        applications.append(identifier)
        router.connect(identifier, processIdentifier: 1)
    }

    private mutating func disconnect() {
        guard !applications.isEmpty else { return }
        let identifier = applications.remove(at: Int.random(in: 0..<applications.count, using: &generator))
        awaited[identifier] = nil
        if let message = router.disconnect(identifier, nowNanoseconds: nowNanoseconds) { atEndpoint.append(message) }
    }

    private mutating func command() {
        guard let identifier = applications.randomElement(using: &generator) else { return }
        let mayReceive = router.mayReceive(from: identifier)
        if mayReceive != (awaited[identifier] == nil), router.pending.count < router.limits.maximumPending {
            problems.append("mayReceive is wrong")
        }
        guard mayReceive else { return }
        nextSequence &+= 1
        let opcode = UInt32.random(in: 0...(VRDMA_OP_LAST.rawValue + 2), using: &generator)
        var message = vrdma_message(
            opcode: Bool.random(using: &generator) ? VRDMA_OP_OPEN_CONTEXT.rawValue : opcode, sequence: nextSequence)
        message.context = UInt32.random(in: 0...4, using: &generator)
        let expected = CommandRule.descriptorCount(opcode: message.opcode) ?? 0
        let descriptorCount = Int.random(in: 0..<10, using: &generator) == 0 ? 2 : expected
        switch router.receive(
            message, from: identifier, descriptorCount: descriptorCount, nowNanoseconds: nowNanoseconds)
        {
        case .answer(let reply):
            if reply.status == 0 || reply.sequence != nextSequence { problems.append("a refusal that is none") }
        case .forward(let command):
            awaited[identifier] = nextSequence
            atEndpoint.append(command)
        }
    }

    private mutating func answer() {
        guard !atEndpoint.isEmpty else { return }
        let command = atEndpoint.removeFirst()
        var reply = command.reply()
        if Int.random(in: 0..<5, using: &generator) == 0 {
            reply.status = UInt32(ENOMEM)
        } else if command.opcode == UInt16(VRDMA_OP_OPEN_CONTEXT.rawValue) {
            // The lowest free handle, so that handles are used again as soon as possible.
            let context = (1...).first { !contexts.contains($0) } ?? 0
            contexts.insert(context)
            reply.setPayload(vrdma_open_context_reply(context: context, context_region: 1))
        } else if command.opcode == UInt16(VRDMA_OP_REG_MR.rawValue) {
            reply.setPayload(vrdma_reg_mr_reply(lkey: command.context, rkey: command.context))
        } else if command.opcode == UInt16(VRDMA_OP_CLOSE_CONTEXT.rawValue) {
            if contexts.remove(command.context) == nil { problems.append("a context that is not open was closed") }
        } else if !contexts.contains(command.context) {
            problems.append("a command in a context that is not open")
        }
        take(router.complete(reply, nowNanoseconds: nowNanoseconds))
    }

    private mutating func take(_ action: CompletionAction) {
        switch action {
        case .answer(let identifier, let message):
            if awaited.removeValue(forKey: identifier) != message.sequence { problems.append("an answer out of place") }
        case .forward(let message): atEndpoint.append(message)
        case .deliver(_, let identifiers):
            if !Set(identifiers).isSubset(of: applications) { problems.append("an event to one who is gone") }
        case .ignore: break
        case .violation(let problem): problems.append(problem)
        }
    }

    private mutating func event() {
        var message = vrdma_message(
            opcode: VRDMA_OP_ASYNC_EVENT.rawValue, context: UInt32.random(in: 0...6, using: &generator))
        message.setPayload(vrdma_async_event())
        take(router.complete(message, nowNanoseconds: nowNanoseconds))
    }

    private mutating func expire() {
        while let (identifier, message) = router.expire(nowNanoseconds: nowNanoseconds) {
            if awaited.removeValue(forKey: identifier) != message.sequence { problems.append("expired out of place") }
        }
    }

    private mutating func loseEndpoint() {
        let loss = router.loseEndpoint()
        for (identifier, message) in loss.answers
        where awaited.removeValue(forKey: identifier) != message.sequence {
            problems.append("a loss out of place")
        }
        if !awaited.isEmpty { problems.append("somebody waits for an endpoint that is gone") }
        atEndpoint = []
        contexts = []
    }

    /// Lets everybody go and the endpoint answer.
    mutating func end() {
        while !applications.isEmpty { disconnect() }
        var rounds = 0
        while !atEndpoint.isEmpty, rounds < 10000 {
            rounds += 1
            answer()
        }
    }
}

@Suite struct RandomRoutingTests {
    @Test(arguments: 0..<200) func everyCommandHasOneAnswer(_ seed: UInt64) {
        var simulation = Simulation(seed: seed)
        for _ in 0..<2000 { simulation.step() }
        #expect(simulation.problems.isEmpty, "seed \(seed)")
        simulation.end()
        #expect(!simulation.router.isCommandPending, "seed \(seed)")
        #expect(simulation.router.applicationCount == 0, "seed \(seed)")
        #expect(simulation.router.contextCount == 0, "seed \(seed)")
        #expect(simulation.problems.isEmpty, "seed \(seed)")
    }
}

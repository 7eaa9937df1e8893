import CVRDMAABI
import Endpoint
import LinuxIO
import Verbs

extension AdapterProbe {
    static func manyQueuePairs(_ bench: Bench) throws {
        let queue = try bench.queue(entries: 4096)
        var pairs: [(index: UInt32, number: QueuePairNumber)] = []
        let before = MonotonicClock.nowNanoseconds
        for _ in 0..<1000 {
            let made = try bench.queuePair(bench.shape(queue))
            pairs.append(made)
            try Pair.connect(bench, made.index, to: made.number)
            try expect(bench.postReceive(made.index, index: 0), "receive not taken")
        }
        let made = MonotonicClock.nowNanoseconds
        // Each sends to itself.
        for pair in pairs {
            var request = HostSendRequest(index: 0, opcode: .send)
            request.isSignaled = true
            try expect(bench.post(pair.index, request), "SEND not taken")
        }
        var seen: Set<UInt32> = []
        for _ in 0..<2000 {
            let completion = try bench.nextCompletion()
            try expect(completion.status == 0 && completion.index == 0, "\(completion)")
            seen.insert(completion.queuePair << 1 | (completion.isReceive ? 1 : 0))
        }
        try expect(seen.count == 2000, "completions of \(seen.count) only")
        let sent = MonotonicClock.nowNanoseconds
        // Half are destroyed with completions in the queue; those of the others must stay.
        for pair in pairs { try expect(bench.postReceive(pair.index, index: 1), "receive not taken") }
        for pair in pairs { try Pair.setState(bench, pair.index, .error) }
        for pair in pairs where pair.index % 2 == 0 { bench.adapter.destroyQueuePair(pair.index) }
        for _ in 0..<500 {
            let completion = try bench.nextCompletion()
            try expect(completion.queuePair % 2 == 1, "a completion of a queue pair that is gone")
            try expect(completion.index == 1 && completion.isReceive, "\(completion)")
        }
        for _ in 0..<100 { bench.turn() }
        try bench.end()
        for pair in pairs { bench.adapter.destroyQueuePair(pair.index) }
        bench.adapter.destroyCompletionQueue(queue)
        let end = MonotonicClock.nowNanoseconds
        say(
            "  1000 queue pairs: made in \((made - before) / 1_000_000) ms, sent in \((sent - made) / 1_000_000) ms, "
                + "destroyed in \((end - sent) / 1_000_000) ms")
    }

    static func resetForgets(_ bench: Bench) throws {
        let pair = try Pair(bench)
        for index in 0..<10 { try expect(bench.postReceive(pair.b, index: UInt32(index)), "receive not taken") }
        try Pair.setState(bench, pair.b, .error)
        try Pair.setState(bench, pair.b, .reset)
        try Pair.setState(bench, pair.a, .reset)
        for _ in 0..<100 { bench.turn() }
        try bench.end()
        try Pair.connect(bench, pair.a, to: pair.bNumber)
        try Pair.connect(bench, pair.b, to: pair.aNumber)
        try expect(bench.postReceive(pair.b, index: 10), "receive not taken")
        var request = HostSendRequest(index: 3, opcode: .send)
        request.isSignaled = true
        try expect(bench.post(pair.a, request), "SEND not taken")
        let both = [try bench.nextCompletion(), try bench.nextCompletion()]
        try expect(both.allSatisfy { $0.status == 0 && $0.index == ($0.isReceive ? 10 : 3) }, "\(both)")
    }

    static func addresses(_ bench: Bench) throws {
        let queue = try bench.queue()
        let queuePair = try bench.queuePair(bench.shape(queue))
        try Pair.initialize(bench, queuePair.index)
        // Nobody has this address: how long does the kernel look for it?
        let before = MonotonicClock.nowNanoseconds
        var outcome = "taken"
        do {
            try Pair.toReceive(bench, queuePair.index, queuePair.number, destination: GID(ipv4: 0x0a09_004d))
        } catch {
            outcome = "\(error)"
        }
        let milliseconds = (MonotonicClock.nowNanoseconds - before) / 1_000_000
        say("  RTR to an address of nobody: \(outcome), in \(milliseconds) ms")
        // An address that the device has not got.
        let foreign = Bench.foreignAddress
        do {
            var attributes = vrdma_qp_attributes()
            attributes.attribute_mask = Mask.state | Mask.path
            try bench.adapter.modifyQueuePair(queuePair.index, attributes, source: foreign)
            throw Failure("a foreign address was taken")
        } catch let error as Errno {
            try expect(error == .addressNotAvailable, "\(error)")
        }
    }
}

extension AdapterProbe {
    private static let nobody = GID(ipv4: 0x0a09_004e)

    private static func beginConnecting(
        _ bench: Bench, _ made: (index: UInt32, number: QueuePairNumber), to destination: GID, token: UInt64
    ) throws {
        try Pair.initialize(bench, made.index)
        bench.adapter.beginModification(
            made.index, Pair.receiveAttributes(bench, made.number, destination: destination), source: bench.address,
            token: token)
    }

    /// Changes on other threads: nobody waits for a peer that is not there.
    static func connecting(_ bench: Bench) throws {
        let queue = try bench.queue()
        let doomedQueue = try bench.queue()
        let made = try bench.queuePair(bench.shape(queue))
        try beginConnecting(bench, made, to: bench.address, token: 1)
        try bench.waitForEvent("answer to a change") { $0 == .modified(token: 1) }
        try Pair.toSend(bench, made.index)

        let before = MonotonicClock.nowNanoseconds
        for token in UInt64(100)..<110 {
            let lonely = try bench.queuePair(bench.shape(doomedQueue))
            try beginConnecting(bench, lonely, to: nobody, token: token)
            if token % 2 == 0 {
                bench.adapter.destroyQueuePair(lonely.index)
                _ = try bench.adapter.createQueuePair(lonely.index, bench.shape(queue))
            }
        }
        for queuePair in UInt32(1)..<11 where queuePair % 2 == 0 { bench.adapter.destroyQueuePair(queuePair) }
        bench.adapter.destroyCompletionQueue(doomedQueue)
        try bench.adapter.createCompletionQueue(doomedQueue, entryCount: 16)
        let begun = (MonotonicClock.nowNanoseconds - before) / 1_000_000
        var answers = 0
        try bench.wait("answers to all changes") {
            answers += bench.takeEvents().count {
                if case .modificationFailed(_, .timedOut) = $0 { true } else { false }
            }
            return answers == 10
        }
        let answered = (MonotonicClock.nowNanoseconds - before) / 1_000_000
        say("  10 changes towards nobody: begun in \(begun) ms, answered after \(answered) ms")
        try expect(begun < 700, "the beginning waited")

        // Work goes on meanwhile.
        let lonely = try bench.queuePair(bench.shape(queue))
        try beginConnecting(bench, lonely, to: nobody, token: 200)
        try expect(bench.postReceive(made.index, index: 0), "receive not taken")
        var request = HostSendRequest(index: 0, opcode: .send)
        request.isSignaled = true
        try expect(bench.post(made.index, request), "SEND not taken")
        _ = try (bench.nextCompletion(seconds: 0.5), bench.nextCompletion(seconds: 0.5))
        try expect(bench.takeEvents().isEmpty, "the change is answered already")
        // And the adapter may end meanwhile.
    }
}

extension Bench {
    static var foreignAddress: GID { GID(ipv4: 0x0102_0304) }
}

extension AdapterProbe {
    /// Quiet completion queues are waited for, when there are many.
    static func quietQueues(_ bench: Bench) throws {
        let pairs = try (0..<40).map { _ in try Pair(bench) }
        for round in UInt32(0)..<3 {
            for pair in pairs { try expect(bench.postReceive(pair.b, index: round), "receive not taken") }
            for _ in 0..<6000 { bench.turn() }
            for pair in pairs.reversed() {
                var request = HostSendRequest(index: round, opcode: .send)
                request.isSignaled = true
                try expect(bench.post(pair.a, request), "SEND not taken")
            }
            for _ in 0..<2 * pairs.count { try expect(try bench.nextCompletion().status == 0, "an error") }
            try bench.end()
        }
        for pair in pairs { pair.destroy() }
    }

    /// More completions than one batch, of several queues: each in order.
    static func floods(_ bench: Bench) throws {
        let pairs = try (0..<4).map { _ in try Pair(bench) }
        for round in UInt32(0)..<20 {
            for pair in pairs {
                for index in UInt32(0)..<64 {
                    try expect(bench.postReceive(pair.b, index: round &* 64 &+ index), "receive not taken")
                }
                for index in UInt32(0)..<64 {
                    var request = HostSendRequest(index: round &* 64 &+ index, opcode: .send)
                    request.isSignaled = index % 16 == 15
                    try expect(bench.post(pair.a, request), "SEND not taken")
                }
            }
            var next: [UInt32: UInt32] = [:]
            for _ in 0..<pairs.count * (64 + 4) {
                let completion = try bench.nextCompletion()
                let step: UInt32 = completion.isReceive ? 1 : 16
                let expected = next[completion.queuePair] ?? (round &* 64 &+ step &- 1)
                try expect(completion.index == expected && completion.status == 0, "\(expected): \(completion)")
                next[completion.queuePair] = expected &+ step
            }
            try bench.end()
        }
    }
}

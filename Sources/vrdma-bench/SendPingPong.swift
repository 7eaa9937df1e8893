import OutOfBand
import VRDMA

/// SEND to and fro. The message with immediate data is the last one.
struct SendPingPong {
    let plan: TestPlan
    let side: TestSide

    /// Names the last message in its completion; the others are named 0.
    private static let lastIdentifier: UInt64 = 1

    /// Half round trips in nanoseconds.
    func measure() throws -> [Double] {
        if plan.wait == .task { return try waitForTask { try await measureInTask() } }
        var waiter = Waiter(side)
        var clock = RoundClock(plan)
        while true {
            let isLast = clock.isOver
            try send(clock.round, isLast: isLast)
            if isLast { return clock.samples }
            _ = try waiter.message()
            clock.lap()
            try side.queuePair.post(side.receiveRequest)
        }
    }

    /// Answers until the last message.
    func answer() throws {
        if plan.wait == .task { return try waitForTask { try await answerInTask() } }
        var waiter = Waiter(side)
        var round = 0
        while true {
            let message = try waiter.message()
            if message.immediate != nil { return }
            try side.queuePair.post(side.receiveRequest)
            try send(round, isLast: false)
            round += 1
        }
    }

    private func measureInTask() async throws -> [Double] {
        var clock = RoundClock(plan)
        while true {
            let isLast = clock.isOver
            try send(clock.round, isLast: isLast)
            if isLast { return clock.samples }
            _ = try await message()
            clock.lap()
            try side.queuePair.post(side.receiveRequest)
        }
    }

    private func answerInTask() async throws {
        var round = 0
        while true {
            if try await message().immediate != nil { return }
            try side.queuePair.post(side.receiveRequest)
            try send(round, isLast: false)
            round += 1
        }
    }

    private func message() async throws -> WorkCompletion {
        while true {
            let completion = try await side.completions.next()
            try TestSide.check(completion)
            if completion.isReceive { return completion }
        }
    }

    /// One completion for many requests is enough to make room in the send queue.
    private func send(_ round: Int, isLast: Bool) throws {
        let flags: WorkRequest.Flags = round % 32 == 0 || isLast ? .signaled : []
        let element = side.outgoing[0..<plan.byteCount]
        let isInline = plan.byteCount <= side.queuePair.capabilities.maxInlineBytes
        try side.queuePair.post(
            .send(
                element, immediate: isLast ? 1 : nil, identifier: isLast ? Self.lastIdentifier : 0,
                flags: isInline ? flags.union(.inline) : flags))
        guard isLast else { return }
        // It must have left before this program ends.
        while true {
            guard let completion = side.completions.poll() else { continue }
            try TestSide.check(completion)
            if !completion.isReceive, completion.identifier == Self.lastIdentifier { return }
        }
    }
}

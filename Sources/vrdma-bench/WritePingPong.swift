import OutOfBand
import VRDMA

/// WRITE to and fro; each side polls the last byte of its own memory. The first byte of the last message is 1.
struct WritePingPong {
    let plan: TestPlan
    let side: TestSide
    let peer: RemoteMemory

    /// Half round trips in nanoseconds.
    func measure() throws -> [Double] {
        var clock = RoundClock(plan)
        while true {
            let isLast = clock.isOver
            try write(clock.round, isLast: isLast)
            try awaitRound(clock.round)
            if isLast { return clock.samples }
            clock.lap()
        }
    }

    /// Answers until the last message.
    func answer() throws {
        var round = 0
        while true {
            try awaitRound(round)
            let isLast = side.incoming.loadAcquiring(byteAt: 0) == 1
            try write(round, isLast: isLast)
            if isLast { return }
            round += 1
        }
    }

    private func write(_ round: Int, isLast: Bool) throws {
        side.outgoing.store(isLast ? 1 as UInt8 : 0)
        side.outgoing.store(Self.stamp(round), toByteOffset: plan.byteCount - 1)
        let isInline = plan.byteCount <= side.queuePair.capabilities.maxInlineBytes
        var flags: WorkRequest.Flags = round % 32 == 0 || isLast ? .signaled : []
        if isInline { flags.insert(.inline) }
        try side.queuePair.post(.write(side.outgoing[0..<plan.byteCount], to: peer, flags: flags))
    }

    private func awaitRound(_ round: Int) throws {
        repeat {
            // Takes the completions of the own writes, and lets the endpoint have the processor if it needs it.
            if let completion = side.completions.poll() { try TestSide.check(completion) }
        } while side.incoming.loadAcquiring(byteAt: plan.byteCount - 1) != Self.stamp(round)
    }

    /// Never 0, which is there at first.
    private static func stamp(_ round: Int) -> UInt8 { UInt8(1 + round % 255) }
}

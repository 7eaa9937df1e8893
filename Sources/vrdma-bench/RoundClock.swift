import OutOfBand

/// Times rounds, after some that only warm up, until the duration of the plan is over.
struct RoundClock {
    private(set) var round = 0
    private(set) var samples: [Double] = []
    private var watch = Stopwatch()
    private var elapsed: UInt64 = 0
    private let duration: UInt64
    private static let sampleLimit = 1 << 20

    init(_ plan: TestPlan) {
        duration = plan.durationNanoseconds
        samples.reserveCapacity(Self.sampleLimit)
    }

    var isOver: Bool { elapsed >= duration + duration / 10 }

    /// A round ended.
    mutating func lap() {
        let time = watch.lap()
        elapsed += time
        round += 1
        if elapsed > duration / 10, samples.count < Self.sampleLimit { samples.append(Double(time) / 2) }
    }
}

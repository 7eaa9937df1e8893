import TestKit
import Testing

@testable import Service

@Suite struct RateLimiterTests {
    private let second: UInt64 = 1_000_000_000

    @Test func aBurstAndThenOneEachInterval() {
        var limiter = RateLimiter(.init(burst: 3, intervalNanoseconds: second), nowNanoseconds: 0)
        for _ in 0..<3 { #expect(limiter.admit(nowNanoseconds: 0) == .pass(suppressedCount: 0)) }
        #expect(limiter.admit(nowNanoseconds: second - 1) == .suppress)
        #expect(limiter.admit(nowNanoseconds: second) == .pass(suppressedCount: 1))
        #expect(limiter.admit(nowNanoseconds: second) == .suppress)
        #expect(limiter.admit(nowNanoseconds: 2 * second) == .pass(suppressedCount: 1))
    }

    @Test func theBurstIsEarnedBack() {
        var limiter = RateLimiter(.init(burst: 3, intervalNanoseconds: second), nowNanoseconds: 0)
        for _ in 0..<5 { _ = limiter.admit(nowNanoseconds: 0) }
        for suppressed: UInt64 in [2, 0, 0] {
            #expect(limiter.admit(nowNanoseconds: 100 * second) == .pass(suppressedCount: suppressed))
        }
        #expect(limiter.admit(nowNanoseconds: 100 * second) == .suppress)
    }

    @Test func aClockThatGoesBackDoesNothing() {
        var limiter = RateLimiter(.init(burst: 1, intervalNanoseconds: second), nowNanoseconds: 10 * second)
        #expect(limiter.admit(nowNanoseconds: 0) == .pass(suppressedCount: 0))
        #expect(limiter.admit(nowNanoseconds: 0) == .suppress)
        #expect(limiter.admit(nowNanoseconds: 11 * second) == .pass(suppressedCount: 1))
    }

    @Test(arguments: [0x5eed_0011 as UInt64, 0x5eed_0012, 0x5eed_0013]) func noMoreThanTheRate(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<50 {
            let burst = Int.random(in: 0...5, using: &random)
            let interval = UInt64.random(in: 0...100, using: &random)
            var limiter = RateLimiter(.init(burst: burst, intervalNanoseconds: interval), nowNanoseconds: 0)
            var now: UInt64 = 0
            var passed: UInt64 = 0
            var suppressed: UInt64 = 0
            var reported: UInt64 = 0
            for _ in 0..<200 {
                now += UInt64.random(in: 0...50, using: &random)
                switch limiter.admit(nowNanoseconds: now) {
                case .pass(let count):
                    passed += 1
                    reported += count
                case .suppress: suppressed += 1
                }
            }
            #expect(passed <= UInt64(max(1, burst)) + now / max(1, interval), "seed \(seed)")
            #expect(passed + suppressed == 200)
            #expect(reported <= suppressed)
        }
    }

    @Test func extremesDoNotTrap() {
        for burst in [Int.min, 0, Int.max] {
            for interval in [0, UInt64.max] {
                var limiter = RateLimiter(.init(burst: burst, intervalNanoseconds: interval), nowNanoseconds: .max)
                _ = limiter.admit(nowNanoseconds: 0)
                _ = limiter.admit(nowNanoseconds: .max)
                var early = RateLimiter(.init(burst: burst, intervalNanoseconds: interval), nowNanoseconds: 0)
                _ = early.admit(nowNanoseconds: 1)
                _ = early.admit(nowNanoseconds: .max)
            }
        }
    }
}

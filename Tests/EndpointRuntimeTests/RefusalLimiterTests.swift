import Testing

@testable import EndpointRuntime

/// How often the log tells of guest drivers that are refused.
struct RefusalLimiterTests {
    private let second: UInt64 = 1_000_000_000

    @Test func eachReasonOncePerMinute() {
        var limiter = RefusalLimiter()
        #expect(limiter.admit("a", nowNanoseconds: 0) == 0)
        for time in 1..<60 { #expect(limiter.admit("a", nowNanoseconds: UInt64(time) * second) == nil) }
        #expect(limiter.admit("b", nowNanoseconds: 59 * second) == 0)
        #expect(limiter.admit("a", nowNanoseconds: 60 * second) == 59)
    }

    /// Guests that invent reasons cannot fill the log, either.
    @Test func allReasonsTogether() {
        var limiter = RefusalLimiter()
        let written = (0..<10_000).filter { limiter.admit("\($0)", nowNanoseconds: UInt64($0)) != nil }
        #expect(written.count == 10)
        #expect(limiter.admit("later", nowNanoseconds: 2 * second) == 0)
    }
}

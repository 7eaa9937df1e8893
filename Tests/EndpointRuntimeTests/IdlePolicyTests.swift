import Testing

@testable import EndpointRuntime

/// How the endpoint passes the time without work.
struct IdlePolicyTests {
    private let idleNanoseconds: UInt64 = 50_000

    /// Looks until a step other than the given ones comes, each look taking so long.
    private func steps(_ policy: inout IdlePolicy, from now: inout UInt64, lookNanoseconds: UInt64) -> [IdlePolicy.Step]
    {
        var steps: [IdlePolicy.Step] = []
        for _ in 0..<100_000 {
            let step = policy.next(now: now)
            if steps.last != step { steps.append(step) }
            if step == .sleep { return steps }
            now += lookNanoseconds
        }
        return steps
    }

    @Test func spinsThenYieldsThenSleeps() {
        var policy = IdlePolicy(idleSpinNanoseconds: idleNanoseconds)
        var now: UInt64 = 1000
        #expect(steps(&policy, from: &now, lookNanoseconds: 100) == [.spin, .yield, .sleep])
        #expect(now - 1000 == idleNanoseconds)
    }

    @Test func spinsForSomeLooks() {
        var policy = IdlePolicy(idleSpinNanoseconds: idleNanoseconds)
        for look in UInt64(0)..<UInt64(IdlePolicy.spinsBeforeYield) { #expect(policy.next(now: look) == .spin) }
        #expect(policy.next(now: 100) == .yield)
    }

    /// The time counts from the last work, not from the start.
    @Test func workBeginsAnew() {
        var policy = IdlePolicy(idleSpinNanoseconds: idleNanoseconds)
        var now: UInt64 = 0
        for _ in 0..<1000 {
            #expect(policy.next(now: now) == .spin)
            now += idleNanoseconds - 1
            #expect(policy.next(now: now) == .yield)
            policy.didWork()
        }
    }

    /// Where each look takes long, the processor is offered before the endpoint sleeps.
    @Test func slowLooksYieldToo() {
        var policy = IdlePolicy(idleSpinNanoseconds: idleNanoseconds)
        var now: UInt64 = 0
        let part = idleNanoseconds / IdlePolicy.shareOfSpinning
        #expect(steps(&policy, from: &now, lookNanoseconds: part / 2 + 1) == [.spin, .yield, .sleep])
        #expect(policy.next(now: now) == .sleep)
    }

    @Test func sleepBeginsAnew() {
        var policy = IdlePolicy(idleSpinNanoseconds: idleNanoseconds)
        var now: UInt64 = 0
        for _ in 0..<3 {
            #expect(steps(&policy, from: &now, lookNanoseconds: 10).last == .sleep)
            policy.didSleep()
            #expect(policy.next(now: now) == .spin)
        }
    }

    @Test func withoutSpinning() {
        var policy = IdlePolicy(idleSpinNanoseconds: 0)
        #expect(policy.next(now: 5) == .spin)
        #expect(policy.next(now: 5) == .sleep)
    }

    /// Somebody who computes on this processor without waiting makes yields long: then sleeping is quicker.
    @Test func crowdedProcessor() {
        var policy = IdlePolicy(idleSpinNanoseconds: .max)
        let long = IdlePolicy.longYieldNanoseconds
        policy.didYield(nanoseconds: long, now: 1000)
        for _ in 0..<40 { #expect(policy.next(now: 1000) != .sleep) }
        policy.didWork()
        policy.didYield(nanoseconds: long + 1, now: 1000)
        for _ in 0..<IdlePolicy.spinsWhenCrowded { #expect(policy.next(now: 2000) == .spin) }
        #expect(policy.next(now: 2000) == .sleep)
        // It is believed for a time, also after sleeps and work.
        policy.didSleep()
        policy.didWork()
        for _ in 0..<IdlePolicy.spinsWhenCrowded { #expect(policy.next(now: 3000) == .spin) }
        #expect(policy.next(now: 3000) == .sleep)
        policy.didSleep()
        for _ in 0..<100 { #expect(policy.next(now: 1000 + IdlePolicy.crowdedNanoseconds) != .sleep) }
    }

    /// Each long yield in a row is believed for twice the time, and one that is short ends that.
    @Test func crowdedAgain() {
        var policy = IdlePolicy(idleSpinNanoseconds: .max)
        let long = IdlePolicy.longYieldNanoseconds + 1
        let first = IdlePolicy.crowdedNanoseconds
        policy.didYield(nanoseconds: long, now: 0)
        #expect(sleeps(&policy, at: first - 1) && !sleeps(&policy, at: first))
        policy.didYield(nanoseconds: long, now: 0)
        #expect(sleeps(&policy, at: 2 * first - 1) && !sleeps(&policy, at: 2 * first))
        for _ in 0..<20 { policy.didYield(nanoseconds: long, now: 0) }
        #expect(sleeps(&policy, at: IdlePolicy.longestCrowdedNanoseconds - 1))
        #expect(!sleeps(&policy, at: IdlePolicy.longestCrowdedNanoseconds))
        policy.didYield(nanoseconds: 0, now: 0)
        policy.didYield(nanoseconds: long, now: 0)
        #expect(!sleeps(&policy, at: first))
    }

    /// Who shares its processor with one that waits gives it away sooner.
    @Test func sharedProcessor() {
        var policy = IdlePolicy(idleSpinNanoseconds: .max)
        policy.didYield(nanoseconds: IdlePolicy.switchNanoseconds + 1, now: 0)
        for look in 0..<UInt64(IdlePolicy.spinsWhenShared) { #expect(policy.next(now: look) == .spin) }
        #expect(policy.next(now: 100) == .yield)
        policy.didYield(nanoseconds: 300, now: 200)
        policy.didWork()
        for look in 0..<UInt64(IdlePolicy.spinsBeforeYield) { #expect(policy.next(now: 300 + look) == .spin) }
    }

    private func sleeps(_ policy: inout IdlePolicy, at now: UInt64) -> Bool {
        policy.didSleep()
        return (0..<40).contains { _ in policy.next(now: now) == .sleep }
    }
}

/// Lets a burst of messages pass and then one each interval, and counts what it held back.
///
/// A token bucket without a clock: time is an argument, and need not be strictly increasing.
package struct RateLimiter: Sendable {
    /// How many messages may pass.
    package struct Limit: Hashable, Sendable {
        /// Messages that may pass at once.
        package var burst: Int
        /// Time after which one more may pass.
        package var intervalNanoseconds: UInt64

        /// Creates a limit.
        package init(burst: Int, intervalNanoseconds: UInt64) {
            self.burst = burst
            self.intervalNanoseconds = intervalNanoseconds
        }

        /// Ten at once, then one a second.
        package static let standard = Limit(burst: 10, intervalNanoseconds: 1_000_000_000)
        /// One, and then one a minute: for what happens again and again until somebody mends it.
        package static let oncePerMinute = Limit(burst: 1, intervalNanoseconds: 60_000_000_000)
    }

    /// What to do with a message.
    package enum Decision: Hashable, Sendable {
        /// Write it; so many before it were held back since the last that passed.
        case pass(suppressedCount: UInt64)
        /// Hold it back.
        case suppress
    }

    private let limit: Limit
    private var tokens: Int
    private var lastRefillNanoseconds: UInt64
    private var suppressedCount: UInt64 = 0

    /// Creates a limiter with its whole burst available.
    package init(_ limit: Limit, nowNanoseconds: UInt64) {
        self.limit = limit
        tokens = max(1, limit.burst)
        lastRefillNanoseconds = nowNanoseconds
    }

    /// Asks for one message.
    package mutating func admit(nowNanoseconds: UInt64) -> Decision {
        refill(nowNanoseconds)
        guard tokens > 0 else {
            suppressedCount &+= 1
            return .suppress
        }
        tokens -= 1
        defer { suppressedCount = 0 }
        return .pass(suppressedCount: suppressedCount)
    }

    private mutating func refill(_ nowNanoseconds: UInt64) {
        guard nowNanoseconds > lastRefillNanoseconds else { return }
        let elapsed = nowNanoseconds - lastRefillNanoseconds
        let interval = max(1, limit.intervalNanoseconds)
        let burst = max(1, limit.burst)
        let earned = elapsed / interval
        if earned >= UInt64(burst - tokens) {
            tokens = burst
            lastRefillNanoseconds = nowNanoseconds
        } else {
            tokens += Int(earned)
            lastRefillNanoseconds += earned * interval
        }
    }
}

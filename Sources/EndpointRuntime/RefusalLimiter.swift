import Service

/// Keeps guest drivers that are refused, and try again for as long as they run, from filling the log: each reason is
/// written once a minute, and all of them together no faster than other messages.
struct RefusalLimiter {
    private static let maximumReasons = 256

    private var overall: RateLimiter?
    private var reasons: [String: RateLimiter] = [:]

    /// How many refusals for this reason were held back since the last one that was written; nil when this one is, too.
    mutating func admit(_ reason: String, nowNanoseconds: UInt64) -> UInt64? {
        // A guest chooses its name, and so the text.
        if reasons[reason] == nil, reasons.count >= Self.maximumReasons { reasons.removeAll(keepingCapacity: true) }
        let decision = reasons[reason, default: RateLimiter(.oncePerMinute, nowNanoseconds: nowNanoseconds)]
            .admit(nowNanoseconds: nowNanoseconds)
        guard case .pass(let suppressedCount) = decision else { return nil }
        var overall = overall ?? RateLimiter(.standard, nowNanoseconds: nowNanoseconds)
        defer { self.overall = overall }
        guard case .pass = overall.admit(nowNanoseconds: nowNanoseconds) else { return nil }
        return suppressedCount
    }
}

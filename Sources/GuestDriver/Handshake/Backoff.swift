/// Waits between attempts to reach an endpoint: each twice as long as the one before, up to a limit.
struct Backoff: Hashable, Sendable {
    static let shortestNanoseconds: UInt64 = 20_000_000
    static let longestNanoseconds: UInt64 = 1_000_000_000

    private var nextNanoseconds = Self.shortestNanoseconds

    /// The wait before the next attempt.
    mutating func next() -> UInt64 {
        defer { nextNanoseconds = min(nextNanoseconds * 2, Self.longestNanoseconds) }
        return nextNanoseconds
    }

    /// An attempt succeeded.
    mutating func reset() {
        nextNanoseconds = Self.shortestNanoseconds
    }
}

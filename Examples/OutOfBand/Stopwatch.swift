import Glibc

/// Measures time.
public struct Stopwatch: Sendable {
    private var start: UInt64

    /// Starts.
    public init() {
        start = Self.now
    }

    /// Nanoseconds since the start.
    public var nanoseconds: UInt64 { Self.now - start }

    /// Nanoseconds since the start or the last lap, and starts anew.
    public mutating func lap() -> UInt64 {
        let now = Self.now
        defer { start = now }
        return now - start
    }

    private static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

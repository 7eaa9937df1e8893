import Glibc
import Synchronization

/// A structured log that several threads may use at once and whose level may change while they do.
///
/// Messages are limited per place in the source, so that a guest that misbehaves cannot fill the disk; the next message
/// that passes tells how many were held back (`suppressed=`).
package final class Log: Sendable {
    /// Identifies a limiter: a place in the source, and what the caller wants told apart there.
    private struct Site: Hashable {
        var file: String
        var line: Int
        var subject: String
    }

    /// Limiters kept at one time; when there are more, those of all sites begin afresh.
    private static let maximumSites = 4096

    private let destination: any LogDestination
    private let storedLevel: Atomic<Int>
    private let limiters = Mutex<[Site: RateLimiter]>([:])
    private let now: @Sendable () -> UInt64

    /// Creates a log.
    ///
    /// - Parameters:
    ///   - now: nanoseconds since 1970-01-01 00:00 UTC; tests bring their own clock.
    package init(
        to destination: any LogDestination, level: LogLevel = .info,
        now: @escaping @Sendable () -> UInt64 = Log.systemTimeNanoseconds
    ) {
        self.destination = destination
        storedLevel = Atomic(level.priority)
        self.now = now
    }

    /// Creates the log that a configuration asks for; `program` is its identifier in the journal.
    package convenience init(_ configuration: LogConfiguration, program: String) {
        self.init(to: Self.destination(configuration.format, program: program), level: configuration.level)
    }

    /// Messages below this level are not written.
    package var level: LogLevel {
        get {
            let priority = storedLevel.load(ordering: .relaxed)
            return LogLevel.allCases.first { $0.priority == priority } ?? .info
        }
        set { storedLevel.store(newValue.priority, ordering: .relaxed) }
    }

    /// Whether a message of this level would be written, for callers whose values are costly to make.
    package func isEnabled(_ level: LogLevel) -> Bool {
        level.priority <= storedLevel.load(ordering: .relaxed)
    }

    /// Writes a message.
    ///
    /// - Parameters:
    ///   - message: what happened, the same text each time.
    ///   - fields: the values, evaluated only when the level is enabled.
    ///   - subject: messages of different subjects (guests, say) at one place are limited separately.
    ///   - limit: how often; nil is without limit, for what no guest can cause.
    package func write(
        _ level: LogLevel, _ message: String, _ fields: @autoclosure () -> [LogRecord.Field] = [],
        subject: String = "", limit: RateLimiter.Limit? = .standard, file: String = #fileID, line: Int = #line
    ) {
        guard isEnabled(level) else { return }
        let time = now()
        var suppressedCount: UInt64 = 0
        if let limit {
            switch admit(Site(file: file, line: line, subject: subject), limit, time) {
            case .suppress: return
            case .pass(let count): suppressedCount = count
            }
        }
        var fields = fields()
        if suppressedCount > 0 { fields.append(.init("suppressed", suppressedCount)) }
        destination.write(
            LogRecord(level: level, message: message, fields: fields, timeNanoseconds: time, file: file, line: line))
    }

    private func admit(_ site: Site, _ limit: RateLimiter.Limit, _ time: UInt64) -> RateLimiter.Decision {
        limiters.withLock { limiters in
            if limiters.count >= Self.maximumSites, limiters[site] == nil { limiters.removeAll(keepingCapacity: true) }
            return limiters[site, default: RateLimiter(limit, nowNanoseconds: time)].admit(nowNanoseconds: time)
        }
    }

    private static func destination(_ format: LogFormat, program: String) -> any LogDestination {
        switch format {
        case .text: StreamLogDestination()
        case .json: StreamLogDestination(isJSON: true)
        case .journal: JournalLogDestination(identifier: program)
        case .automatic:
            JournalLogDestination.isStandardErrorConnected
                ? JournalLogDestination(identifier: program) : StreamLogDestination()
        }
    }

    /// The system's clock (CLOCK_REALTIME).
    package static func systemTimeNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec)
    }
}

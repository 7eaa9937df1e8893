/// How serious a message is; the numbers of syslog(3), where less is worse.
package enum LogLevel: String, CaseIterable, Comparable, Sendable {
    /// Something does not work that should.
    case error
    /// Something is wrong, but work goes on.
    case warning
    /// Normal and worth knowing: start, stop, reload, guests that come and go.
    case notice
    /// Normal events of one application.
    case info
    /// What a developer wants to see.
    case debug

    /// The number of syslog(3).
    package var priority: Int {
        switch self {
        case .error: 3
        case .warning: 4
        case .notice: 5
        case .info: 6
        case .debug: 7
        }
    }

    /// The more serious level is the lesser one.
    package static func < (left: LogLevel, right: LogLevel) -> Bool {
        left.priority < right.priority
    }
}

/// Where and how messages are written.
package enum LogFormat: String, CaseIterable, Sendable {
    /// The journal when standard error is connected to it, else text on standard error.
    case automatic = "auto"
    /// One line a message on standard error.
    case text
    /// One JSON object a line on standard error.
    case json
    /// The journal, with a field for each value.
    case journal
}

import Glibc

/// Lines on a file descriptor, each in one write(2) so that those of several threads and processes stay whole.
package struct StreamLogDestination: LogDestination {
    private let rawDescriptor: Int32
    private let isJSON: Bool

    /// Writes to an open descriptor that outlives the log; standard error unless told otherwise.
    package init(rawDescriptor: Int32 = STDERR_FILENO, isJSON: Bool = false) {
        self.rawDescriptor = rawDescriptor
        self.isJSON = isJSON
    }

    package func write(_ record: LogRecord) {
        let line = isJSON ? Self.jsonLine(record) : Self.textLine(record)
        var rest = ArraySlice(line.utf8)
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(rawDescriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                return
            }
        }
    }

    /// `2025-01-31T12:00:00.000000Z level message name=value`.
    static func textLine(_ record: LogRecord) -> String {
        "\(timestamp(record.timeNanoseconds)) \(record.level.rawValue) \(record.text)\n"
    }

    /// One JSON object: `time`, `level`, `message`, and each field under its own name.
    static func jsonLine(_ record: LogRecord) -> String {
        let head = [
            ("time", timestamp(record.timeNanoseconds)), ("level", record.level.rawValue), ("message", record.message),
        ]
        let pairs = (head + record.fields.map { ($0.name, $0.value) })
            .map { "\(LogEscaping.quoted($0)):\(LogEscaping.quoted($1))" }
        return "{\(pairs.joined(separator: ","))}\n"
    }

    /// UTC with microseconds (RFC 3339).
    static func timestamp(_ nanoseconds: UInt64) -> String {
        var seconds = time_t(nanoseconds / 1_000_000_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ number: Int32, _ width: Int = 2) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
        }
        let date = "\(padded(parts.tm_year &+ 1900, 4))-\(padded(parts.tm_mon &+ 1))-\(padded(parts.tm_mday))"
        let time = "\(padded(parts.tm_hour)):\(padded(parts.tm_min)):\(padded(parts.tm_sec))"
        return "\(date)T\(time).\(padded(Int32(nanoseconds % 1_000_000_000 / 1000), 6))Z"
    }
}

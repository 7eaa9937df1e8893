/// One message with its values.
package struct LogRecord: Sendable {
    /// A named value. Names are lower-case with hyphens, such as `queue-pair`.
    package struct Field: Sendable {
        /// The name.
        package var name: String
        /// The value as text.
        package var value: String

        /// Creates a field.
        package init(_ name: String, _ value: some CustomStringConvertible) {
            self.name = name
            self.value = value.description
        }
    }

    /// How serious it is.
    package var level: LogLevel
    /// What happened, without the values that differ from time to time.
    package var message: String
    /// The values.
    package var fields: [Field]
    /// Time since 1970-01-01 00:00 UTC.
    package var timeNanoseconds: UInt64
    /// The place in the source, as `Module/File.swift`.
    package var file: String
    /// The line of that file.
    package var line: Int

    /// The message followed by `name=value` for each field.
    ///
    /// Values often come from guests, so whatever could pass for another field, line or terminal command is quoted and
    /// escaped.
    package var text: String {
        var text = LogEscaping.withoutControls(message)
        for field in fields {
            text += " \(field.name)=\(LogEscaping.quotedIfNeeded(field.value))"
        }
        return text
    }
}

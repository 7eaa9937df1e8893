extension Log {
    /// Something does not work that should.
    package func error(
        _ message: String, _ fields: @autoclosure () -> [LogRecord.Field] = [], subject: String = "",
        limit: RateLimiter.Limit? = .standard, file: String = #fileID, line: Int = #line
    ) {
        write(.error, message, fields(), subject: subject, limit: limit, file: file, line: line)
    }

    /// Something is wrong, but work goes on.
    package func warning(
        _ message: String, _ fields: @autoclosure () -> [LogRecord.Field] = [], subject: String = "",
        limit: RateLimiter.Limit? = .standard, file: String = #fileID, line: Int = #line
    ) {
        write(.warning, message, fields(), subject: subject, limit: limit, file: file, line: line)
    }

    /// Normal and worth knowing.
    package func notice(
        _ message: String, _ fields: @autoclosure () -> [LogRecord.Field] = [], subject: String = "",
        limit: RateLimiter.Limit? = .standard, file: String = #fileID, line: Int = #line
    ) {
        write(.notice, message, fields(), subject: subject, limit: limit, file: file, line: line)
    }

    /// A normal event of one application.
    package func info(
        _ message: String, _ fields: @autoclosure () -> [LogRecord.Field] = [], subject: String = "",
        limit: RateLimiter.Limit? = .standard, file: String = #fileID, line: Int = #line
    ) {
        write(.info, message, fields(), subject: subject, limit: limit, file: file, line: line)
    }

    /// What a developer wants to see.
    package func debug(
        _ message: String, _ fields: @autoclosure () -> [LogRecord.Field] = [], subject: String = "",
        limit: RateLimiter.Limit? = .standard, file: String = #fileID, line: Int = #line
    ) {
        write(.debug, message, fields(), subject: subject, limit: limit, file: file, line: line)
    }
}

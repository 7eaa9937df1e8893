/// Where records are written. Called from several threads at once.
package protocol LogDestination: Sendable {
    /// Writes one record; what cannot be written is lost, because a log must not stop the work.
    func write(_ record: LogRecord)
}

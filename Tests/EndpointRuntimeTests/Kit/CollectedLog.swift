import Service
import Synchronization

/// A log that keeps its records.
final class CollectedLog: LogDestination {
    private let records = Mutex<[LogRecord]>([])

    func write(_ record: LogRecord) {
        records.withLock { $0.append(record) }
    }

    var texts: [String] { records.withLock { $0.map(\.text) } }

    var log: Log { Log(to: self, level: .debug) { 0 } }
}

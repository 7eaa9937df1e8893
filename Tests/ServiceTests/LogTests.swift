import Glibc
import LinuxIO
import Synchronization
import Testing

@testable import Service

@Suite struct LogTests {
    /// Keeps records for a test to look at.
    ///
    /// With a lock of POSIX, because ThreadSanitizer does not know that of Synchronization.
    private final class Capture: LogDestination, @unchecked Sendable {
        private let lock = PosixMutex()
        private var records: [LogRecord] = []

        func write(_ record: LogRecord) {
            lock.withLock { records.append(record) }
        }

        var lines: [String] {
            lock.withLock { records.map { "\($0.level.rawValue) \($0.text)" } }
        }
    }

    private final class Clock: Sendable {
        let time = Atomic<UInt64>(1_000_000_000_000)

        func advance(_ nanoseconds: UInt64) {
            time.wrappingAdd(nanoseconds, ordering: .relaxed)
        }
    }

    private let capture = Capture()
    private let clock = Clock()

    private func makeLog(_ level: LogLevel = .info) -> Log {
        let clock = clock
        return Log(to: capture, level: level, now: { clock.time.load(ordering: .relaxed) })
    }

    @Test func theLevelChangesAtRunTime() {
        let log = makeLog()
        var evaluations = 0
        func fields() -> [LogRecord.Field] {
            evaluations += 1
            return [.init("n", evaluations)]
        }
        log.debug("hidden", fields())
        log.info("shown", fields())
        log.level = .debug
        #expect(log.level == .debug)
        log.debug("now shown", fields())
        log.level = .error
        log.warning("hidden again", fields())
        #expect(capture.lines == ["info shown n=1", "debug now shown n=2"])
    }

    @Test func messagesAreLimitedPerPlaceAndSubject() {
        let log = makeLog()
        func complain(_ subject: String) {
            log.warning("bad index", [.init("guest", subject)], subject: subject, limit: .oncePerMinute)
        }
        for _ in 0..<100 { complain("a") }
        complain("b")
        log.warning("other place", limit: .oncePerMinute)
        clock.advance(60_000_000_000)
        complain("a")
        #expect(
            capture.lines == [
                "warning bad index guest=a", "warning bad index guest=b", "warning other place",
                "warning bad index guest=a suppressed=99",
            ])
    }

    @Test func withoutLimitNothingIsHeldBack() {
        let log = makeLog()
        for _ in 0..<100 { log.notice("started", limit: nil) }
        #expect(capture.lines.count == 100)
    }

    @Test func subjectsAreBounded() {
        let log = makeLog()
        for subject in 0..<10000 { log.warning("bad", subject: String(subject), limit: .oncePerMinute) }
        #expect(capture.lines.count == 10000)
    }

    @Test func manyThreadsMayWrite() async {
        let log = makeLog()
        await withTaskGroup { group in
            for task in 0..<8 {
                group.addTask {
                    for message in 0..<100 {
                        log.info("message", [.init("task", task), .init("message", message)], limit: nil)
                        log.level = message.isMultiple(of: 2) ? .info : .debug
                    }
                }
            }
        }
        #expect(Set(capture.lines).count == 800)
    }

    @Test func valuesCannotForgeFieldsOrLines() {
        func text(_ value: String) -> String {
            LogRecord(
                level: .info, message: "m\n", fields: [.init("guest", value)], timeNanoseconds: 0, file: "f", line: 1
            ).text
        }
        #expect(text("a/b:1") == #"m\n guest=a/b:1"#)
        #expect(text("") == #"m\n guest="""#)
        #expect(text("a b=c") == #"m\n guest="a b=c""#)
        #expect(text("a\nb\"\\\u{1b}[31m\u{202e}") == #"m\n guest="a\nb\"\\\u001b[31m\u202e""#)
        #expect(text(String(repeating: "x", count: 5000)).utf8.count < 1100)
    }

    private func record(_ fields: [LogRecord.Field] = []) -> LogRecord {
        LogRecord(
            level: .warning, message: "it happened", fields: fields, timeNanoseconds: 1_738_324_800_001_002_003,
            file: "Service/Log.swift", line: 7)
    }

    @Test func textLines() {
        #expect(
            StreamLogDestination.textLine(record([.init("queue-pair", 5)]))
                == "2025-01-31T12:00:00.001002Z warning it happened queue-pair=5\n")
        #expect(StreamLogDestination.timestamp(0) == "1970-01-01T00:00:00.000000Z")
        #expect(StreamLogDestination.timestamp(.max).hasPrefix("2554-07-21T"))
    }

    @Test func jsonLines() {
        #expect(
            StreamLogDestination.jsonLine(record([.init("name", "a\"b\n")]))
                == #"{"time":"2025-01-31T12:00:00.001002Z","level":"warning","message":"it happened","name":"a\"b\n"}"#
                + "\n")
    }

    @Test func journalFields() {
        #expect(
            JournalLogDestination.fields(record([.init("queue-pair", "x y")]), identifier: "vrdma-endpointd") == [
                "MESSAGE=it happened queue-pair=\"x y\"", "PRIORITY=4", "SYSLOG_IDENTIFIER=vrdma-endpointd",
                "CODE_FILE=Service/Log.swift", "CODE_LINE=7", "VRDMA_QUEUE_PAIR=x y",
            ])
    }

    @Test func aLineIsWrittenWhole() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        let (reader, writer) = (FileDescriptor(taking: ends[0]), FileDescriptor(taking: ends[1]))
        StreamLogDestination(rawDescriptor: writer.rawValue).write(record())
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(reader.rawValue, &bytes, bytes.count)
        #expect(
            String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
                == "2025-01-31T12:00:00.001002Z warning it happened\n")
    }

    @Test func levelsAreThoseOfSyslog() {
        #expect(LogLevel.allCases.map(\.priority) == [3, 4, 5, 6, 7])
        #expect(LogLevel.error < .debug)
    }
}

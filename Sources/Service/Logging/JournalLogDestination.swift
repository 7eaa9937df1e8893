import CSystemd
import Glibc

/// Entries of the systemd journal with a field for each value (sd_journal_sendv(3)).
package struct JournalLogDestination: LogDestination {
    private let identifier: String

    /// Writes entries under `identifier`, the program's name.
    package init(identifier: String) {
        self.identifier = identifier
    }

    /// Whether standard error is connected to the journal: `JOURNAL_STREAM` holds its device and inode
    /// (systemd.exec(5)).
    package static var isStandardErrorConnected: Bool {
        guard let stream = getenv("JOURNAL_STREAM") else { return false }
        var status = stat()
        guard fstat(STDERR_FILENO, &status) == 0 else { return false }
        return String(cString: stream) == "\(status.st_dev):\(status.st_ino)"
    }

    package func write(_ record: LogRecord) {
        let fields = Self.fields(record, identifier: identifier).map { Array($0.utf8) }
        // The bytes are laid end to end, so that all pointers stay valid during the call.
        let bytes = fields.flatMap(\.self)
        bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else { return }
            var offset = 0
            let vectors = fields.map { field in
                defer { offset += field.count }
                return iovec(iov_base: UnsafeMutableRawPointer(mutating: base + offset), iov_len: field.count)
            }
            sd_journal_sendv(vectors, Int32(clamping: vectors.count))
        }
    }

    /// `NAME=value` in the journal's notation: upper case, letters, digits and underscores (systemd.journal-fields(7)).
    static func fields(_ record: LogRecord, identifier: String) -> [String] {
        [
            "MESSAGE=\(record.text)", "PRIORITY=\(record.level.priority)", "SYSLOG_IDENTIFIER=\(identifier)",
            "CODE_FILE=\(record.file)", "CODE_LINE=\(record.line)",
        ] + record.fields.prefix(64).map { "VRDMA_\(journalName($0.name))=\($0.value)" }
    }

    private static func journalName(_ name: String) -> String {
        String(
            decoding: name.utf8.prefix(48).map { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - 32
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): byte
                default: UInt8(ascii: "_")
                }
            }, as: UTF8.self)
    }
}

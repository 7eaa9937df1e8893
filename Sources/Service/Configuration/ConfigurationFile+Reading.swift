import Glibc
import LinuxIO
import Verbs

extension ConfigurationFile {
    /// Reads and parses a file.
    ///
    /// - Throws: a single mistake when the file cannot be read or is not UTF-8 text.
    package init(readingFrom path: String) throws(ConfigurationError) {
        self.init(parsing: try Self.text(readingFrom: path), path: path)
    }

    /// The contents of a file, of which at most one byte more than may be parsed is read.
    static func text(readingFrom path: String) throws(ConfigurationError) -> String {
        let bytes: [UInt8]
        do throws(Errno) {
            // Without O_NONBLOCK the open of a pipe would wait for its writer.
            let file = FileDescriptor(taking: try check { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) })
            bytes = try read(file, atMost: maximumBytes + 1)
        } catch {
            throw failure(path, "cannot be read: \(error)", remedy: "name another file with --config")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw failure(path, "is not UTF-8 text", remedy: "is this a configuration file?")
        }
        return text
    }

    private static func failure(_ path: String, _ problem: String, remedy: String) -> ConfigurationError {
        ConfigurationError([ConfigurationMistake(file: path, line: 0, problem: problem, remedy: remedy)])
    }

    private static func read(_ file: FileDescriptor, atMost limit: Int) throws(Errno) -> [UInt8] {
        var bytes = [UInt8]()
        var buffer = [UInt8](repeating: 0, count: 65536)
        while bytes.count < limit {
            let wanted = min(buffer.count, limit - bytes.count)
            let count = try check { Glibc.read(file.rawValue, &buffer, wanted) }
            if count == 0 { break }
            bytes += buffer.prefix(count)
        }
        return bytes
    }
}

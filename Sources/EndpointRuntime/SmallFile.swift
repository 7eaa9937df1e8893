import Glibc
import LinuxIO
import Verbs

/// Reads files of one line, such as those of sysfs.
enum SmallFile {
    /// At most `limitBytes` of the file; nil when it cannot be read.
    static func text(_ path: String, limitBytes: Int) -> String? {
        let number = open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { return nil }
        let file = FileDescriptor(taking: number)
        var bytes = [UInt8](repeating: 0, count: limitBytes)
        let count = read(file.rawValue, &bytes, limitBytes)
        return count >= 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : nil
    }
}

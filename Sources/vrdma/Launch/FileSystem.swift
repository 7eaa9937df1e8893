import Glibc
import LinuxIO
import Verbs

/// Small questions to the file system.
enum FileSystem {
    /// The path of this executable.
    static func executablePath() -> String {
        link("/proc/self/exe") ?? CommandLine.arguments.first ?? "vrdma"
    }

    /// The directory of a path.
    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    static func exists(_ path: String) -> Bool {
        access(path, F_OK) == 0
    }

    /// The whole text of a small file, such as one of /proc; nil when it cannot be read.
    static func text(_ path: String, limitBytes: Int = 65536) -> String? {
        let number = open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { return nil }
        let file = FileDescriptor(taking: number)
        var bytes = [UInt8](repeating: 0, count: limitBytes)
        var count = 0
        while count < limitBytes {
            let part = bytes.withUnsafeMutableBytes {
                read(file.rawValue, $0.baseAddress.map { $0 + count }, limitBytes - count)
            }
            if part <= 0 { break }
            count += part
        }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    /// The names in a directory, without the dot ones.
    static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    /// Where a symbolic link points.
    static func link(_ path: String) -> String? {
        var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
    }

    /// The path of a program in `PATH`.
    static func program(_ name: String) -> String? {
        let path = ProcessEnvironment.value("PATH") ?? "/usr/local/bin:/usr/bin:/bin"
        return path.split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }
}

import Glibc

/// The files in which the kernel and packages describe a system: this one, or a test's below a directory.
struct SystemFiles {
    /// Stands before every path; empty for this system.
    var root = ""

    /// The whole text; nil when it cannot be read.
    func text(_ path: String, limitBytes: Int = 65536) -> String? {
        FileSystem.text(root + path, limitBytes: limitBytes)
    }

    /// The first line without surrounding blanks; nil when there is none.
    func line(_ path: String) -> String? {
        guard let first = text(path, limitBytes: 4096)?.split(whereSeparator: \.isNewline).first else { return nil }
        let line = first.drop { $0 == " " || $0 == "\t" }
        return String(line.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }

    func names(in directory: String) -> [String] {
        FileSystem.names(in: root + directory)
    }

    func exists(_ path: String) -> Bool {
        FileSystem.exists(root + path)
    }

    /// The last name of where a symbolic link points.
    func linkName(_ path: String) -> String? {
        FileSystem.link(root + path)?.split(separator: "/").last.map(String.init)
    }

    /// What this user may not do with a file that should be readable and writable.
    func isUsable(_ path: String) -> Bool {
        access(root + path, R_OK | W_OK) == 0
    }

    /// Whether this user may read a file.
    func isReadable(_ path: String) -> Bool {
        access(root + path, R_OK) == 0
    }

    /// The permission bits; nil when the file is not there.
    func mode(_ path: String) -> UInt32? {
        var status = stat()
        return stat(root + path, &status) == 0 ? UInt32(status.st_mode) & 0o777 : nil
    }
}

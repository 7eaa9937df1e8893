import Glibc
import Verbs

/// The directory of a user's own endpoint: its sockets, its lock and its log.
struct RuntimeDirectory: Hashable {
    /// The directory.
    let path: String
    /// The user named it, and so wants that endpoint and no other.
    let isExplicit: Bool

    /// Where background process and `vrdma run` meet.
    var leaseSocketPath: String { "\(path)/lease.sock" }
    var lockPath: String { "\(path)/lock" }
    var logPath: String { "\(path)/vrdma.log" }
    var endpointSocketPath: String { "\(path)/endpoint.sock" }
    var adminSocketPath: String { "\(path)/endpoint-admin.sock" }
    var guestsDirectory: String { "\(path)/guests" }
    var libraryDirectory: String { "\(path)/lib" }

    func guestSocketPath(_ name: String) -> String {
        "\(guestsDirectory)/\(name).sock"
    }

    /// A socket's path has at most 107 bytes (unix(7)); the longest name of a guest and its directory take 37 of them.
    private static let maximumPathBytes = 70

    init(path: String, isExplicit: Bool) {
        self.path = path
        self.isExplicit = isExplicit
    }

    /// The directory that the environment names, or the user's usual one.
    static func current() throws(ToolError) -> RuntimeDirectory {
        if let path = ProcessEnvironment.value("VRDMA_RUNTIME_DIR") {
            guard path.hasPrefix("/") else { throw ToolError("VRDMA_RUNTIME_DIR is '\(path)'; give an absolute path") }
            return try checked(RuntimeDirectory(path: path, isExplicit: true))
        }
        if let base = ProcessEnvironment.value("XDG_RUNTIME_DIR"), base.hasPrefix("/"), isOwn(base) {
            return try checked(RuntimeDirectory(path: "\(base)/vrdma", isExplicit: false))
        }
        return RuntimeDirectory(path: "/tmp/vrdma-\(geteuid())", isExplicit: false)
    }

    /// Whether a directory belongs to this user: after su(1), the variable may still name another one's.
    private static func isOwn(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_uid == geteuid() && access(path, W_OK | X_OK) == 0
    }

    private static func checked(_ directory: RuntimeDirectory) throws(ToolError) -> RuntimeDirectory {
        guard directory.path.utf8.count <= maximumPathBytes else {
            throw ToolError(
                "\(directory.path) is too long for sockets: at most \(maximumPathBytes) bytes; "
                    + "set VRDMA_RUNTIME_DIR to a shorter path")
        }
        return directory
    }

    /// Makes the directory if it is missing, and makes sure that it is this user's alone: in /tmp anybody may have put
    /// something in its place.
    func prepare() throws(ToolError) {
        if mkdir(path, 0o700) != 0, errno != EEXIST {
            throw ToolError("\(path) cannot be made: \(Errno.current); set VRDMA_RUNTIME_DIR to another path")
        }
        var status = stat()
        guard lstat(path, &status) == 0 else { throw ToolError("\(path): \(Errno.current)") }
        let isDirectory = status.st_mode & S_IFMT == S_IFDIR
        // The user named something that others need: to remove it, or to change its mode, would harm them.
        let isShared = status.st_uid != geteuid() || status.st_mode & S_ISVTX != 0
        if isExplicit, !isDirectory || isShared {
            throw ToolError(
                "\(path) is not a directory of this user alone; VRDMA_RUNTIME_DIR must be a directory owned by "
                    + "\(CurrentUser.name) with mode 0700"
                    + (isDirectory ? "; name one below it, such as \(path)/vrdma-\(geteuid())" : ""))
        }
        guard isDirectory, status.st_uid == geteuid() else {
            throw ToolError(
                "\(path) is not a directory of this user; remove it, or set VRDMA_RUNTIME_DIR to another path")
        }
        guard status.st_mode & 0o022 == 0 else {
            throw ToolError("others may write to \(path); make it private: chmod go-w \(path)")
        }
    }
}

extension RuntimeDirectory {
    /// Takes back what `prepare` made.
    func removeIfEmpty() {
        rmdir(path)
    }
}

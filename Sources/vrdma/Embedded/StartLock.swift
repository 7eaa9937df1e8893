import Glibc
import LinuxIO
import Verbs

/// Held while a background process is started, and while one ends: at most one of that happens at a time.
///
/// The file is removed by its last holder, so a lock counts only if the file is still the one of that name.
struct StartLock {
    private let file: FileDescriptor
    private let path: String

    /// Waits for the lock.
    static func acquire(_ directory: RuntimeDirectory) throws(ToolError) -> StartLock {
        for _ in 0..<1000 {
            // The directory too may be removed between two steps.
            try directory.prepare()
            do throws(Errno) {
                if let lock = try attempt(directory.lockPath, isBlocking: true) { return lock }
            } catch {
                if error != .noSuchFile { throw ToolError("\(directory.lockPath): \(error)") }
            }
        }
        throw ToolError("\(directory.lockPath) disappears again and again")
    }

    /// The lock if it is free.
    static func acquireIfFree(_ directory: RuntimeDirectory) -> StartLock? {
        (try? attempt(directory.lockPath, isBlocking: false)) ?? nil
    }

    /// Removes the file, while the lock is still held.
    func removeFile() {
        unlink(path)
    }

    private static func attempt(_ path: String, isBlocking: Bool) throws(Errno) -> StartLock? {
        let file = FileDescriptor(taking: try check { open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600) })
        try check { flock(file.rawValue, isBlocking ? LOCK_EX : LOCK_EX | LOCK_NB) }
        var (held, named) = (stat(), stat())
        guard fstat(file.rawValue, &held) == 0, stat(path, &named) == 0, held.st_ino == named.st_ino else { return nil }
        return StartLock(file: file, path: path)
    }
}

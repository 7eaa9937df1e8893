import Glibc
import LinuxIO
import Verbs

/// Starts this executable again as the process that serves a runtime directory.
enum BackgroundProcess {
    /// The hidden command.
    static let command = "embedded"
    /// What the process writes to its standard output when it serves.
    static let readyText = "ready\n"

    /// Starts it and waits until it serves. The caller holds the lock.
    static func start(_ directory: RuntimeDirectory) throws(ToolError) {
        do throws(Errno) {
            try attempt(directory)
        } catch {
            throw ToolError("the background process cannot be started: \(error)")
        }
        guard FileSystem.exists(directory.leaseSocketPath) else {
            let log = FileSystem.text(directory.logPath) ?? ""
            let last = log.split(separator: "\n").last.map { ": \($0)" } ?? ""
            throw ToolError("the background process ended before it served\(last)")
        }
    }

    private static func attempt(_ directory: RuntimeDirectory) throws(Errno) {
        let null = FileDescriptor(taking: try check { open("/dev/null", O_RDWR | O_CLOEXEC) })
        let log = FileDescriptor(
            taking: try check {
                open(directory.logPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
            })
        var ends: [Int32] = [-1, -1]
        try check { pipe(&ends) }
        let reader = FileDescriptor(taking: ends[0])
        do {
            let writer = FileDescriptor(taking: ends[1])
            for end in [reader, writer] { _ = fcntl(end.rawValue, F_SETFD, FD_CLOEXEC) }
            var none = sigset_t()
            sigemptyset(&none)
            _ = try ChildProcess(
                [FileSystem.executablePath(), command, directory.path],
                // The process is no verbs program, whatever this one was started in.
                environment: ProcessEnvironment.variables(replacing: [("LD_PRELOAD", nil)]), signalMask: none,
                descriptors: ChildProcess.Descriptors(standard: [null.rawValue, writer.rawValue, log.rawValue]))
        }
        // The text, or the end of the pipe with the end of the process.
        var bytes = [UInt8](repeating: 0, count: readyText.utf8.count)
        let size = bytes.count
        try check { read(reader.rawValue, &bytes, size) }
    }
}

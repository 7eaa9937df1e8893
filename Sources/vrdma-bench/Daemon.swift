import Glibc

/// A daemon that this program started, from the directory where this program is.
final class Daemon {
    let identifier: pid_t
    private let name: String
    private let socketPath: String
    private let configurationPath: String
    private var isOver = false
    private static let stopLimitMilliseconds = 5_000

    init(_ program: String, _ configuration: String, directory: String, name: String, socketPath: String) throws {
        self.name = program
        self.socketPath = socketPath
        configurationPath = "\(directory)/\(name).conf"
        let path = try Self.path(of: program)
        try Self.write(configuration + "\n", to: configurationPath)
        let arguments: [String] = [path, "--config", configurationPath]
        var pointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var process = pid_t()
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The daemon takes the signals that this program keeps for its own thread.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let error = posix_spawn(&process, path, nil, &attributes, &pointers, environ)
        guard error == 0 else {
            unlink(configurationPath)
            throw BenchError("\(path) does not start: \(String(cString: strerror(error)))")
        }
        identifier = process
        Interruption.add(process)
    }

    /// Waits until applications can connect.
    func awaitSocket(limitMilliseconds: Int) throws {
        for _ in 0..<limitMilliseconds {
            if access(socketPath, F_OK) == 0 { return }
            var status: Int32 = 0
            if waitpid(identifier, &status, WNOHANG) == identifier {
                isOver = true
                throw BenchError("\(name) ended before it served")
            }
            usleep(1000)
        }
        throw BenchError("\(name) does not serve after \(limitMilliseconds) ms")
    }

    /// Asks it to end.
    func requestStop() {
        if !isOver { kill(identifier, SIGTERM) }
    }

    /// Ends it, waits for its end and removes its files.
    func stop() {
        defer {
            Interruption.remove(identifier)
            unlink(configurationPath)
            unlink(socketPath)
        }
        requestStop()
        for _ in 0..<Self.stopLimitMilliseconds where !isOver {
            var status: Int32 = 0
            if waitpid(identifier, &status, WNOHANG) == identifier { isOver = true } else { usleep(1000) }
        }
        guard !isOver else { return }
        kill(identifier, SIGKILL)
        waitpid(identifier, nil, 0)
        isOver = true
    }

    deinit {
        stop()
    }

    /// Nanoseconds of processor time that all its threads have used (proc(5), schedstat).
    var processorNanoseconds: UInt64 {
        let directory = "/proc/\(identifier)/task"
        return Files.names(in: directory).reduce(0) { total, task in
            let text = Files.text("\(directory)/\(task)/schedstat")
            return total + (text.split(separator: " ").first.flatMap { UInt64($0) } ?? 0)
        }
    }

    /// Bytes of memory that are its own: neither shared nor of files (proc(5), RssAnon).
    var anonymousBytes: Int {
        for line in Files.text("/proc/\(identifier)/status").split(separator: "\n") where line.hasPrefix("RssAnon:") {
            return (line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) } ?? 0)
                * 1024
        }
        return 0
    }

    private static func path(of program: String) throws(BenchError) -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0 else { throw BenchError("/proc is not there") }
        let own = String(decoding: buffer.prefix(count), as: UTF8.self)
        let path =
            own.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            + "/\(program)"
        guard access(path, X_OK) == 0 else { throw BenchError("\(path) is not there; build it, or install it there") }
        return path
    }

    private static func write(_ text: String, to path: String) throws(BenchError) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw BenchError("\(path) cannot be written: \(String(cString: strerror(errno)))") }
        let bytes = Array(text.utf8)
        let count = Glibc.write(file, bytes, bytes.count)
        close(file)
        guard count == bytes.count else { throw BenchError("\(path) cannot be written") }
    }
}

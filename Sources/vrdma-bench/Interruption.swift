import Glibc
import LinuxIO
import Synchronization

/// Ends what this program started when somebody interrupts it.
enum Interruption {
    private struct Started {
        var processes: [pid_t] = []
        var directory: String?
    }

    private static let started = Mutex(Started())

    /// The signals that end this program.
    private static var signals: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&set, signal) }
        return set
    }

    /// From now on a signal ends the processes and removes the directory before this program ends. To be called while
    /// there is one thread.
    static func prepare(directory: String) throws {
        started.withLock { $0.directory = directory }
        var set = signals
        sigprocmask(SIG_BLOCK, &set, nil)
        _ = try BackgroundThread(name: "interruption") {
            var set = signals
            var signal: Int32 = 0
            sigwait(&set, &signal)
            end()
            _exit(128 + signal)
        }
    }

    /// Counts a process among those to be ended.
    static func add(_ process: pid_t) {
        started.withLock { $0.processes.append(process) }
    }

    /// A process that has ended.
    static func remove(_ process: pid_t) {
        started.withLock { $0.processes.removeAll { $0 == process } }
    }

    private static func end() {
        started.withLock { started in
            // The guests go before the endpoint, which was started first.
            let guests = started.processes.dropFirst()
            for processes in [guests, started.processes.prefix(1)] {
                for process in processes { kill(process, SIGTERM) }
                for process in processes { waitpid(process, nil, 0) }
            }
            guard let directory = started.directory else { return }
            for name in Files.names(in: directory) { unlink("\(directory)/\(name)") }
            rmdir(directory)
        }
    }
}

import Glibc
import LinuxIO
import Verbs

/// Starts programs (posix_spawn(3)).
struct ChildProcess {
    let identifier: pid_t

    /// What becomes of a child's descriptors.
    struct Descriptors {
        /// Replacements of standard input, output and error; nil keeps the parent's.
        var standard: [Int32?] = [nil, nil, nil]
        /// Descriptors that the child keeps under their numbers.
        var kept: [Int32] = []
    }

    /// Starts a program, looked for in `PATH`, with the signals blocked that `signalMask` names. Signals that
    /// are ignored here are ignored there, as nohup(1) wants it.
    init(
        _ arguments: [String], environment: [String], signalMask: sigset_t, descriptors: Descriptors = Descriptors()
    ) throws(Errno) {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        for (number, replacement) in descriptors.standard.enumerated() {
            if let replacement { posix_spawn_file_actions_adddup2(&actions, replacement, Int32(number)) }
        }
        // A descriptor duplicated onto itself loses close-on-exec (posix_spawn_file_actions_adddup2(3)).
        for number in descriptors.kept { posix_spawn_file_actions_adddup2(&actions, number, number) }
        var mask = signalMask
        posix_spawnattr_setsigmask(&attributes, &mask)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var process = pid_t()
        let error = Self.withCStrings(arguments) { argv in
            Self.withCStrings(environment) { envp in
                argv[0].map { posix_spawnp(&process, $0, &actions, &attributes, argv, envp) } ?? EINVAL
            }
        }
        guard error == 0 else { throw Errno(rawValue: error) }
        identifier = process
    }

    /// The exit status as a shell has it, 128 and the signal's number for a signal; nil while the child runs.
    func exitStatus(isBlocking: Bool) -> Int32? {
        var status: Int32 = 0
        while true {
            let result = waitpid(identifier, &status, isBlocking ? 0 : WNOHANG)
            if result == 0 { return nil }
            if result < 0 {
                if errno == EINTR { continue }
                return 1
            }
            let signal = status & 0x7f
            return signal == 0 ? (status >> 8) & 0xff : 128 + signal
        }
    }

    private static func withCStrings(
        _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32
    ) -> Int32 {
        var pointers = strings.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        return pointers.withUnsafeMutableBufferPointer { $0.baseAddress.map(body) ?? EINVAL }
    }
}

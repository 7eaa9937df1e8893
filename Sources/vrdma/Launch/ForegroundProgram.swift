import Glibc
import LinuxIO
import Verbs

/// Runs a program in place of this one: it gets the terminal, the signals and the last word.
enum ForegroundProgram {
    /// Signals that are passed on. Those of the terminal reach the program by themselves, as a member of the foreground
    /// process group.
    private static let forwarded = [SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM]

    /// Runs the program to its end.
    ///
    /// - Parameter kept: a descriptor that the program and its descendants keep open.
    /// - Returns: the program's exit status, or 128 and the number of the signal that ended it.
    static func run(_ arguments: [String], environment: [String], keeping kept: FileDescriptor?) throws(ToolError)
        -> Int32
    {
        var (watched, inherited) = (sigset_t(), sigset_t())
        sigemptyset(&watched)
        for number in forwarded + [SIGCHLD] { sigaddset(&watched, number) }
        pthread_sigmask(SIG_BLOCK, &watched, &inherited)
        let child: ChildProcess
        do throws(Errno) {
            child = try ChildProcess(
                arguments, environment: environment, signalMask: inherited,
                descriptors: ChildProcess.Descriptors(kept: kept.map { [$0.rawValue] } ?? []))
        } catch {
            // As env(1) and timeout(1) end.
            let status: Int32 = error == .noSuchFile ? 127 : 126
            throw ToolError("cannot run '\(arguments[0])': \(error)", status: status)
        }
        while true {
            var information = siginfo_t()
            let signal = sigwaitinfo(&watched, &information)
            if let status = child.exitStatus(isBlocking: false) { return status }
            // A positive code means the kernel: the terminal's signal went to the whole group already.
            if forwarded.contains(signal), information.si_code <= 0 { kill(child.identifier, signal) }
        }
    }
}

import CSystemd
import Glibc
import LinuxIO
import Verbs

/// Signals as readable events of a descriptor (signalfd(2)), so that a loop waits for them beside its sockets.
package struct SignalDescriptor: Sendable {
    /// What a daemon is asked to do.
    package enum Request: Hashable, Sendable {
        /// SIGTERM or SIGINT: finish what is begun and stop.
        case stop
        /// SIGHUP: read the configuration again.
        case reload
    }

    private static let requestsBySignal: [Int32: Request] = [SIGTERM: .stop, SIGINT: .stop, SIGHUP: .reload]

    private let file: FileDescriptor

    /// Readable when a request waits.
    package var rawDescriptor: Int32 { file.rawValue }

    /// Blocks the signals in this thread and opens their descriptor.
    ///
    /// Call it before any other thread starts: threads inherit the blocked signals, and one that does not block them
    /// would receive them instead.
    package init() throws(Errno) {
        var signals = sigset_t()
        sigemptyset(&signals)
        for signal in Self.requestsBySignal.keys { sigaddset(&signals, signal) }
        let error = pthread_sigmask(SIG_BLOCK, &signals, nil)
        guard error == 0 else { throw Errno(rawValue: error) }
        // A peer that went away is an error of the call, not the end of the daemon.
        signal(SIGPIPE, SIG_IGN)
        file = FileDescriptor(
            taking: try check { signalfd(-1, &signals, Int32(SFD_CLOEXEC) | Int32(SFD_NONBLOCK)) })
    }

    /// The next request, or nil when none waits.
    package func next() throws(Errno) -> Request? {
        var information = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        do throws(Errno) {
            let count = try check { read(file.rawValue, &information, size) }
            guard count == size else { return nil }
        } catch {
            if error == .wouldBlock { return nil }
            throw error
        }
        return Self.requestsBySignal[Int32(truncatingIfNeeded: information.ssi_signo)]
    }

    /// Unblocks the signals again; for a child process before it runs another program.
    package static func unblockAll() {
        var signals = sigset_t()
        sigemptyset(&signals)
        pthread_sigmask(SIG_SETMASK, &signals, nil)
    }
}

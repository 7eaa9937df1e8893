import CLinux
import Glibc

/// Runs `body` in the child of a fork(2). What it returns is the result; -1 when the child died of a signal.
///
/// This process has threads: `body` may do only what a signal handler may. What the language's runtime makes on first
/// use, the parent has used before.
func inChild(_ body: () -> Int32) -> Int32 {
    let child = clinux_fork()
    if child == 0 {
        alarm(20)
        _exit(body())
    }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    return status & 0x7f == 0 ? status >> 8 & 0xff : -1
}

/// A thread that calls `body` again and again until it is stopped.
final class Repeater: @unchecked Sendable {
    private let body: () -> Void
    private let stopped: UnsafeMutablePointer<UInt32>
    private var thread = pthread_t()

    init(_ body: @escaping () -> Void) {
        self.body = body
        stopped = .allocate(capacity: 1)
        stopped.initialize(to: 0)
        pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let repeater = Unmanaged<Repeater>.fromOpaque(argument).takeUnretainedValue()
                while clinux_load_acquire32(repeater.stopped) == 0 { repeater.body() }
                return nil
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Ends the thread and waits for that.
    func stop() {
        clinux_store_release32(stopped, 1)
        pthread_join(thread, nil)
    }

    deinit {
        stopped.deallocate()
    }
}

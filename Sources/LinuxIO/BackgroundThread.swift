import Glibc
import Verbs

/// A thread that runs one closure to its end.
package struct BackgroundThread {
    private final class Work {
        let name: String
        let body: @Sendable () -> Void

        init(_ name: String, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }

        func run() {
            // What pthread_setname_np(3) does for the calling thread.
            let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
            if file >= 0 {
                _ = write(file, name, name.utf8.count)
                close(file)
            }
            body()
        }
    }

    private let thread: pthread_t

    /// Starts the thread.
    ///
    /// - Parameter name: at most 15 bytes, for ps(1) and debuggers.
    package init(name: String, _ body: @escaping @Sendable () -> Void) throws(Errno) {
        let work = Unmanaged.passRetained(Work(name, body))
        var thread = pthread_t()
        let error = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, work.toOpaque())
        guard error == 0 else {
            work.release()
            throw Errno(rawValue: error)
        }
        self.thread = thread
    }

    /// Waits for the end of the closure. To be called once.
    package func join() {
        pthread_join(thread, nil)
    }
}

import Glibc
import LinuxIO
import Testing

@testable import Service

/// Uses the process's environment and signal mask, so one at a time.
@Suite(.serialized) struct SystemdTests {
    @Test func notificationsReachTheManager() throws {
        let path = "/tmp/vrdma-notify-\(getpid())"
        let manager = FileDescriptor(
            taking: try check { socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0) })
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        try withUnsafePointer(to: &address) {
            try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                _ = try check { bind(manager.rawValue, pointer, size) }
            }
        }
        defer { unlink(path) }
        setenv("NOTIFY_SOCKET", path, 1)
        defer { unsetenv("NOTIFY_SOCKET") }
        func received() throws -> [Substring] {
            var bytes = [UInt8](repeating: 0, count: 4096)
            let count = try check { recv(manager.rawValue, &bytes, bytes.count, Int32(MSG_DONTWAIT)) }
            return String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: "\n")
        }

        let notifier = ServiceNotifier()
        notifier.ready(status: "2 guests\nWATCHDOG=trigger")
        #expect(try received() == ["READY=1", "STATUS=2 guests WATCHDOG=trigger"])
        notifier.reloading()
        #expect(try received().first == "RELOADING=1")
        notifier.stopping(status: "draining")
        #expect(try received() == ["STOPPING=1", "STATUS=draining"])
        notifier.status("idle")
        #expect(try received() == ["STATUS=idle"])
        notifier.watchdog()
        #expect(try received() == ["WATCHDOG=1"])
        #expect(notifier.store(manager, name: "region:1"))
        #expect(try received().contains("FDSTORE=1"))
        notifier.forget(name: "region")
        #expect(try received() == ["FDSTOREREMOVE=1", "FDNAME=region"])
    }

    @Test func withoutAManagerNothingHappens() {
        unsetenv("NOTIFY_SOCKET")
        ServiceNotifier().ready()
        #expect(ServiceNotifier().watchdogIntervalNanoseconds == nil)
        #expect(ActivationDescriptors.take().names == [])
        #expect(ActivationDescriptors.take().files(named: "endpoint").isEmpty)
    }

    @Test func theWatchdogIntervalIsTheManagers() {
        setenv("WATCHDOG_USEC", "30000000", 1)
        defer { unsetenv("WATCHDOG_USEC") }
        #expect(ServiceNotifier().watchdogIntervalNanoseconds == 30_000_000_000)
        setenv("WATCHDOG_PID", "1", 1)
        defer { unsetenv("WATCHDOG_PID") }
        #expect(ServiceNotifier().watchdogIntervalNanoseconds == nil)
    }

    @Test func activatedListenersAreAsIfMadeHere() throws {
        let path = "/tmp/vrdma-activation-\(getpid())"
        let listener = try PacketSocket.listen(path: path)
        defer { unlink(path) }
        _ = fcntl(listener.rawValue, F_SETFL, fcntl(listener.rawValue, F_GETFL) & ~O_NONBLOCK)
        let descriptors = ActivationDescriptors(["endpoint": [listener]])
        #expect(descriptors.names == ["endpoint"])
        #expect(try descriptors.listener(named: "endpoint", .packets) === listener)
        #expect(fcntl(listener.rawValue, F_GETFL) & O_NONBLOCK != 0)
        #expect(try descriptors.listener(named: "admin", .stream) == nil)
        let error = #expect(throws: ActivationError.self) { try descriptors.listener(named: "endpoint", .stream) }
        #expect(error?.description.contains("ListenStream=") == true)
    }

    @Test func signalsBecomeRequests() throws {
        let signals = try SignalDescriptor()
        defer { SignalDescriptor.unblockAll() }
        #expect(try signals.next() == nil)
        // To this thread alone: the test runner's other threads do not block the signals.
        for (signal, request) in [(SIGHUP, SignalDescriptor.Request.reload), (SIGTERM, .stop), (SIGINT, .stop)] {
            #expect(pthread_kill(pthread_self(), signal) == 0)
            #expect(try signals.next() == request)
        }
        #expect(try signals.next() == nil)
    }

    @Test func theJournalIsRecognised() {
        var status = stat()
        #expect(fstat(STDERR_FILENO, &status) == 0)
        setenv("JOURNAL_STREAM", "\(status.st_dev):\(status.st_ino)", 1)
        defer { unsetenv("JOURNAL_STREAM") }
        #expect(JournalLogDestination.isStandardErrorConnected)
        setenv("JOURNAL_STREAM", "\(status.st_dev):\(status.st_ino &+ 1)", 1)
        #expect(!JournalLogDestination.isStandardErrorConnected)
    }
}

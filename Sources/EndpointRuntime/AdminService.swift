import FoundationEssentials
import Glibc
import LinuxIO
import Service
import Synchronization
import Verbs

/// Answers `vrdma status` on a socket of its own, on a thread of its own: a slow reader delays nobody.
///
/// A client connects, sends `status` and a newline, and reads one JSON document until the end of the stream.
final class AdminService: Sendable {
    private let listener: FileDescriptor
    private let control: EndpointControl
    private let log: Log
    private let stopSignal: FileDescriptor
    private static let clientWaitSeconds = 5

    init(listener: FileDescriptor, control: EndpointControl, log: Log) throws(Errno) {
        stopSignal = try EventDescriptor.create()
        self.listener = listener
        self.control = control
        self.log = log
    }

    /// Starts the thread; whoever gets it calls `stop()` and waits for its end.
    func start() throws(Errno) -> BackgroundThread {
        try BackgroundThread(name: "vrdma-admin") { self.run() }
    }

    /// Ends the thread. The listener stays as it is: it may belong to the service manager.
    func stop() {
        EventDescriptor.signal(stopSignal.rawValue)
    }

    private func run() {
        do throws(Errno) {
            let poller = try Poller()
            try poller.add(listener.rawValue, token: 0)
            try poller.add(stopSignal.rawValue, token: 1)
            var ready: [Poller.Ready] = []
            while !ready.contains(where: { $0.token == 1 }) {
                ready.removeAll()
                try poller.wait(timeoutNanoseconds: nil, into: &ready)
                if ready.contains(where: { $0.token == 0 }) { acceptOne() }
            }
        } catch {
            log.error("the admin socket is served no more", [.init("error", error)])
        }
    }

    private func acceptOne() {
        do throws(Errno) {
            answer(try StreamSocket.accept(listener))
        } catch {
            log.warning("the admin socket cannot accept", [.init("error", error)])
            // Out of descriptors, most likely: others must close some first.
            usleep(100_000)
        }
    }

    private func answer(_ client: FileDescriptor) {
        StreamSocket.limitWaits(client, seconds: Self.clientWaitSeconds)
        do throws(Errno) {
            let request = String(decoding: try StreamSocket.read(client, limitBytes: 64), as: UTF8.self)
            guard request == "status\n" else {
                try StreamSocket.write(client, Array("{\"error\": \"unknown request; known: status\"}\n".utf8))
                return
            }
            try StreamSocket.write(client, status())
        } catch {
            log.debug("an admin client went away", [.init("error", error)])
        }
    }

    private func status() -> [UInt8] {
        guard let answer = StatusAnswer(), let status = answer.ask(control, waitSeconds: Self.clientWaitSeconds) else {
            return Array("{\"error\": \"the endpoint does not answer\"}\n".utf8)
        }
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let document = try? encoder.encode(status) else {
            return Array("{\"error\": \"the status cannot be encoded\"}\n".utf8)
        }
        return Array(document) + [UInt8(ascii: "\n")]
    }
}

/// Where the loop's thread leaves the status for the one that asked, who waits for it.
private final class StatusAnswer: Sendable {
    private let status = Mutex<EndpointStatus?>(nil)
    private let arrived: FileDescriptor

    /// Nil when there is no descriptor left.
    init?() {
        guard let arrived = try? EventDescriptor.create() else { return nil }
        self.arrived = arrived
    }

    /// Nil when the loop does not answer in time.
    func ask(_ control: EndpointControl, waitSeconds: Int) -> EndpointStatus? {
        control.ask { status in
            self.status.withLock { $0 = status }
            EventDescriptor.signal(self.arrived.rawValue)
        }
        var waited = pollfd(fd: arrived.rawValue, events: Int16(POLLIN), revents: 0)
        _ = poll(&waited, 1, Int32(clamping: waitSeconds * 1000))
        return status.withLock { $0 }
    }
}

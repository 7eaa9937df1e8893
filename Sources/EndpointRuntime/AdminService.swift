import Foundation
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

    func start() {
        Thread.detachNewThread { self.run() }
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
        let answered = DispatchSemaphore(value: 0)
        let receiver = StatusReceiver()
        control.ask { status in
            receiver.value.withLock { $0 = status }
            answered.signal()
        }
        guard answered.wait(timeout: .now() + .seconds(Self.clientWaitSeconds)) == .success,
            let status = receiver.value.withLock({ $0 })
        else { return Array("{\"error\": \"the endpoint does not answer\"}\n".utf8) }
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let document = try? encoder.encode(status) else {
            return Array("{\"error\": \"the status cannot be encoded\"}\n".utf8)
        }
        return Array(document) + [UInt8(ascii: "\n")]
    }
}

/// Where the loop's thread leaves the status for the one that asked.
private final class StatusReceiver: Sendable {
    let value = Mutex<EndpointStatus?>(nil)
}

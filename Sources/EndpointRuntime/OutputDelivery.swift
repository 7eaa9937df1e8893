import CVRDMAABI
import Endpoint
import LinuxIO
import Service
import Verbs

/// Sends the device's events to applications. A socket that is full never holds the loop up.
struct OutputDelivery {
    private let log: Log
    private let releaser: MemoryReleaser
    private let host: HostDescription?
    /// Completion events whose socket was full, by completion queue: at most one for each.
    private var deferred: [UInt32: (socket: FileDescriptor, event: vrdma_completion_event)] = [:]
    private static let retryNanoseconds: UInt64 = 10_000_000
    private var nextRetryNanoseconds: UInt64 = .max

    init(log: Log, releaser: MemoryReleaser, host: HostDescription? = nil) {
        self.log = log
        self.releaser = releaser
        self.host = host
    }

    /// When to call `retry` again; nil when nothing is deferred.
    var deadlineNanoseconds: UInt64? { deferred.isEmpty ? nil : nextRetryNanoseconds }

    mutating func deliver(_ outputs: [DeviceOutput], now: UInt64) {
        for output in outputs {
            switch output {
            case .completionEvent(let socket, let event):
                send(event, to: socket, now: now)
            case .asyncEvent(let socket, let event):
                if !Self.send(event, to: socket) {
                    log.debug("an asynchronous event was dropped: its application does not read", [])
                }
            case .releaseMemory(let mapping):
                releaser.release([mapping])
            case .reply:
                // The loop's own: it goes through the guest's connection.
                break
            case .hostLost, .hostAvailable, .addressMissing, .registrationRefused, .hostObjectLost:
                report(output)
            case .violation(let guest, let reason):
                log.warning(
                    "a guest broke a rule", [.init("guest", guest), .init("reason", reason)], subject: guest,
                    limit: .oncePerMinute)
            }
        }
    }

    /// What happened to the host adapter's device, for the log.
    private func report(_ output: DeviceOutput) {
        let device = host?.fields ?? []
        switch output {
        case .hostLost:
            log.warning("the host adapter's device is gone: guests have lost their connections through it", device)
        case .hostAvailable:
            log.notice("the host adapter's device is there again", device)
        case .addressMissing(let guest, let address):
            var fields: [LogRecord.Field] = [.init("guest", guest), .init("address", address)] + device
            if let host { fields.append(.init("remedy", host.remedy(for: address))) }
            log.warning(
                "a guest cannot use the host adapter: its device does not have the guest's address", fields,
                subject: guest, limit: .oncePerMinute)
        case .registrationRefused(let guest, let sizeBytes, let error):
            var fields: [LogRecord.Field] =
                [.init("guest", guest), .init("bytes", sizeBytes), .init("error", error)] + device
            if error == .outOfMemory || error == .notPermitted {
                fields.append(.init("remedy", "raise LimitMEMLOCK= of the endpoint's unit, if that is not unlimited"))
            }
            log.warning(
                "the host adapter's device does not register a guest's memory", fields, subject: guest,
                limit: .oncePerMinute)
        case .hostObjectLost(let guest, let reason):
            log.warning(
                "a guest lost an object on the host adapter's device",
                [.init("guest", guest), .init("reason", reason)] + device, subject: guest, limit: .oncePerMinute)
        case .completionEvent, .asyncEvent, .releaseMemory, .reply, .violation:
            break
        }
    }

    /// Tries the deferred events again, when it is time to.
    ///
    /// - Parameter socketOfQueue: the socket that a completion queue's events go to now; nil when it is gone. What was
    ///   deferred for another one is dropped.
    mutating func retry(now: UInt64, socketOfQueue: (UInt32) -> FileDescriptor?) {
        guard now >= nextRetryNanoseconds, !deferred.isEmpty else { return }
        let waiting = deferred
        deferred = [:]
        nextRetryNanoseconds = .max
        for (queue, entry) in waiting where socketOfQueue(queue) === entry.socket {
            send(entry.event, to: entry.socket, now: now)
        }
    }

    private mutating func send(_ event: vrdma_completion_event, to socket: FileDescriptor, now: UInt64) {
        guard !Self.send(event, to: socket) else { return }
        deferred[event.cq] = (socket, event)
        nextRetryNanoseconds = min(nextRetryNanoseconds, now &+ Self.retryNanoseconds)
    }

    /// False when the socket is full. A socket that is broken takes everything: nobody will ever read it.
    private static func send<Event: BitwiseCopyable>(_ event: Event, to socket: FileDescriptor) -> Bool {
        withUnsafeBytes(of: event) { bytes in
            do throws(Errno) {
                try PacketSocket.send(socket.rawValue, bytes, blocking: false)
                return true
            } catch {
                return error != .wouldBlock
            }
        }
    }
}

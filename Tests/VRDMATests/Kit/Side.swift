import TestKit
import VRDMA

/// One end of a connection, with what it needs.
struct Side {
    let device: Device
    let domain: ProtectionDomain
    let completions: CompletionQueue
    let queuePair: QueuePair

    init(
        _ device: Device, capabilities: QueuePair.Capabilities = QueuePair.Capabilities(), capacity: Int = 256,
        notification: CompletionQueue.Notification = .tasks, signalsAll: Bool = false
    ) throws {
        self.device = device
        domain = try ProtectionDomain(device)
        completions = try CompletionQueue(device, capacity: capacity, notification: notification)
        queuePair = try QueuePair(
            domain, sendCompletionQueue: completions, capabilities: capabilities, signalsAll: signalsAll)
    }

    static let everything: AccessFlags = [.localWrite, .remoteWrite, .remoteRead, .remoteAtomic]

    func buffer(_ byteCount: Int, _ access: AccessFlags = Side.everything) throws -> RegisteredBuffer {
        try RegisteredBuffer(domain, byteCount: byteCount, access: access)
    }

    /// The next completion, polled for.
    func completion() throws -> WorkCompletion {
        var found: WorkCompletion?
        try eventually("a completion") {
            for _ in 0..<10_000 where found == nil { found = completions.poll() }
            return found != nil
        }
        return found ?? WorkCompletion()
    }
}

/// Two connected ends.
struct Pair {
    let first: Side
    let second: Side

    init(
        _ first: Device, _ second: Device, capabilities: QueuePair.Capabilities = QueuePair.Capabilities(),
        notification: CompletionQueue.Notification = .tasks, signalsAll: Bool = false,
        options: QueuePair.ConnectionOptions = QueuePair.ConnectionOptions()
    ) throws {
        self.first = try Side(
            first, capabilities: capabilities, notification: notification, signalsAll: signalsAll)
        self.second = try Side(
            second, capabilities: capabilities, notification: notification, signalsAll: signalsAll)
        try connect(options)
    }

    func connect(_ options: QueuePair.ConnectionOptions = QueuePair.ConnectionOptions()) throws {
        try first.queuePair.connect(to: second.queuePair.endpoint, options)
        try second.queuePair.connect(to: first.queuePair.endpoint, options)
    }
}

extension RegisteredBuffer {
    func fill(_ generator: inout SeededGenerator) {
        withMutableSpan(of: UInt8.self) { bytes in
            for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: generator.next()) }
        }
    }

    var bytes: [UInt8] {
        withUnsafeBytes { Array($0) }
    }
}

import Service

/// What client and server do together.
enum TestKind: String, CaseIterable {
    case write
    case read
    case send
    case fetchAndAdd = "fetch-and-add"
    case writePingPong = "write-pingpong"
    case sendPingPong = "send-pingpong"
}

/// How a side waits for completions.
enum WaitKind: String, CaseIterable {
    case poll
    case block
    case task
}

/// A test with its parameters, which the client tells the server as a line of text.
struct TestPlan: LosslessStringConvertible {
    var kind: TestKind
    var wait: WaitKind
    var byteCount: Int
    var depth: Int
    var signalEvery: Int
    var list: Int
    var durationMilliseconds: Int

    init(_ arguments: CommandLineArguments) throws(BenchError) {
        kind = try arguments.choice("test", default: nil)
        wait = try arguments.choice("wait", default: .poll)
        byteCount = try arguments.number("size", 0...(1 << 31), default: 64)
        depth = try arguments.number("depth", 1...16_384, default: 128)
        list = try arguments.number("list", 1...depth, default: 1)
        signalEvery = try arguments.number("signal-every", 1...depth, default: max(1, depth / 4))
        durationMilliseconds = try BenchCommands.duration(arguments)
        if kind == .fetchAndAdd { byteCount = 8 }
        if kind == .writePingPong { byteCount = max(byteCount, 2) }
        if wait != .poll, kind != .sendPingPong {
            throw BenchError("option '--wait': only send-pingpong can wait otherwise than by polling", isWrongUse: true)
        }
        guard signalEvery % list == 0 else {
            throw BenchError(
                "option '--signal-every': a multiple of --list, so that lists end with a completion", isWrongUse: true)
        }
    }

    init?(_ description: String) {
        let parts = description.split(separator: " ").map(String.init)
        let numbers = parts.dropFirst(2).compactMap { Int($0) }
        guard parts.count == 7, numbers.count == 5, let kind = TestKind(rawValue: parts[0]),
            let wait = WaitKind(rawValue: parts[1])
        else { return nil }
        self.kind = kind
        self.wait = wait
        byteCount = numbers[0]
        depth = numbers[1]
        signalEvery = numbers[2]
        list = numbers[3]
        durationMilliseconds = numbers[4]
    }

    var description: String {
        "\(kind.rawValue) \(wait.rawValue) \(byteCount) \(depth) \(signalEvery) \(list) \(durationMilliseconds)"
    }

    /// Receive requests that the receiver keeps posted.
    var receiveDepth: Int {
        switch kind {
        case .send: min(max(4 * depth, 512), 16_384)
        case .sendPingPong: 4
        default: 0
        }
    }

    var durationNanoseconds: UInt64 { UInt64(durationMilliseconds) * 1_000_000 }
}

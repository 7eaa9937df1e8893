import VRDMA

/// The rate of a busy pair beside connected queue pairs that do nothing, all between the same two guests.
struct ManyQueuePairsMeasurement {
    let idleCount: Int
    let durationMilliseconds: Int
    private static let byteCount = 64
    private static let depth = 128

    func run() throws -> Report {
        try LocalStack.run(guestCount: 2) { try measure($0) }
    }

    private func measure(_ stack: LocalStack) throws -> Report {
        let domains = try (0..<2).map { try ProtectionDomain(stack.open($0)) }
        var idle: [QueuePair] = []
        let idleQueues = try domains.map { try CompletionQueue($0.device, capacity: 64, notification: .none) }
        for index in 0..<idleCount {
            idle.append(
                try QueuePair(
                    domains[index % 2], sendCompletionQueue: idleQueues[index % 2],
                    capabilities: QueuePair.Capabilities(maxSendRequests: 16, maxReceiveRequests: 16)))
            if index % 2 == 1 { try IdleMeasurement.connect(idle[index - 1], idle[index]) }
        }
        let queues = try domains.map { try CompletionQueue($0.device, capacity: 512, notification: .none) }
        let busy = try (0..<2).map { index in
            try QueuePair(
                domains[index], sendCompletionQueue: queues[index],
                capabilities: QueuePair.Capabilities(maxSendRequests: Self.depth))
        }
        try IdleMeasurement.connect(busy[0], busy[1])
        let source = try RegisteredBuffer(domains[0], byteCount: Self.byteCount)
        let target = try RegisteredBuffer(
            domains[1], byteCount: Self.byteCount, access: [.localWrite, .remoteWrite])
        TestSide.fill(source)
        let stream = Stream(
            queuePair: busy[0], completions: queues[0], depth: Self.depth, signalEvery: Self.depth / 4, list: 1)
        // The other end is not used by name any more, and must stay all the same.
        defer { withExtendedLifetime((busy, idle)) {} }
        let result = try stream.run(
            .write(source[...], to: target.remote), durationNanoseconds: UInt64(durationMilliseconds) * 1_000_000)
        try TestSide.verify(target, byteCount: Self.byteCount)
        var report = Report()
        report.add("idleQueuePairs", idle.count)
        report.add("seconds", Double(result.nanoseconds) / 1e9)
        report.add("messagesPerSecond", Double(result.messages) * 1e9 / Double(result.nanoseconds))
        return report
    }
}

import OutOfBand
import VRDMA

/// Creating queue pairs and connecting each to its neighbour.
struct ConnectMeasurement {
    let queuePairCount: Int

    func run() throws -> Report {
        try LocalStack.run(guestCount: 1) { try measure($0) }
    }

    private func measure(_ stack: LocalStack) throws -> Report {
        let domain = try ProtectionDomain(stack.open(0))
        let completions = try CompletionQueue(domain.device, notification: .none)
        let count = queuePairCount / 2 * 2
        var watch = Stopwatch()
        var queuePairs: [QueuePair] = []
        for _ in 0..<count {
            queuePairs.append(
                try QueuePair(
                    domain, sendCompletionQueue: completions,
                    capabilities: QueuePair.Capabilities(maxSendRequests: 16, maxReceiveRequests: 16)))
        }
        let creation = Double(watch.lap())
        for index in stride(from: 0, to: count, by: 2) {
            try IdleMeasurement.connect(queuePairs[index], queuePairs[index + 1])
        }
        let connection = Double(watch.lap())
        queuePairs = []
        let destruction = Double(watch.lap())
        var report = Report()
        report.add("queuePairs", count)
        report.add("seconds", (creation + connection) / 1e9)
        report.add("createSeconds", creation / 1e9)
        report.add("connectSeconds", connection / 1e9)
        report.add("destroySeconds", destruction / 1e9)
        return report
    }
}

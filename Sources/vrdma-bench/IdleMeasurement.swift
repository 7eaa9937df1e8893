import Glibc
import OutOfBand
import VRDMA

/// What an endpoint costs whose guests have many connected queue pairs and do nothing.
struct IdleMeasurement {
    let guestCount: Int
    let queuePairCount: Int
    let durationMilliseconds: Int
    /// Time for everybody to fall asleep.
    private static let settleMicroseconds: UInt32 = 300_000

    func run() throws -> Report {
        try LocalStack.run(guestCount: guestCount) { try measure($0) }
    }

    private func measure(_ stack: LocalStack) throws -> Report {
        let guests = try (0..<guestCount).map { index in
            let domain = try ProtectionDomain(stack.open(index))
            return (domain: domain, completions: try CompletionQueue(domain.device, capacity: 64))
        }
        let memoryBefore = stack.endpoint.anonymousBytes
        var queuePairs: [QueuePair] = []
        for index in 0..<queuePairCount {
            // Neighbours are of different guests, if there are several, and connected.
            let guest = guests[index % guestCount]
            queuePairs.append(
                try QueuePair(
                    guest.domain, sendCompletionQueue: guest.completions,
                    capabilities: QueuePair.Capabilities(maxSendRequests: 16, maxReceiveRequests: 16)))
            if index % 2 == 1 { try Self.connect(queuePairs[index - 1], queuePairs[index]) }
        }
        usleep(Self.settleMicroseconds)
        let memoryAfter = stack.endpoint.anonymousBytes
        let guestDriversBefore = stack.guests.reduce(0) { $0 + $1.processorNanoseconds }
        let processorBefore = stack.endpoint.processorNanoseconds
        let watch = Stopwatch()
        usleep(UInt32(durationMilliseconds) * 1000)
        let elapsed = Double(watch.nanoseconds)
        let processor = stack.endpoint.processorNanoseconds - processorBefore
        let guestDrivers = stack.guests.reduce(0) { $0 + $1.processorNanoseconds } - guestDriversBefore
        var report = Report()
        report.add("guests", guestCount)
        report.add("queuePairs", queuePairs.count)
        report.add("seconds", elapsed / 1e9)
        report.add("endpointCPUFraction", Double(processor) / elapsed)
        report.add("guestDriversCPUFraction", Double(guestDrivers) / elapsed)
        report.add("endpointBytesPerQueuePair", Double(memoryAfter - memoryBefore) / Double(queuePairCount))
        return report
    }

    /// Connects two queue pairs of this process.
    static func connect(_ first: QueuePair, _ second: QueuePair) throws(VerbsError) {
        try first.connect(to: second.endpoint)
        try second.connect(to: first.endpoint)
    }
}

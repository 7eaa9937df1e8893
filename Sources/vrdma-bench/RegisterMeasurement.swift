import OutOfBand
import VRDMA

/// Registration of memory that lies in a shared file already, again and again.
struct RegisterMeasurement {
    let byteCount: Int
    private static let rounds = 2_000

    func run() throws -> Report {
        try LocalStack.run(guestCount: 1) { try measure($0) }
    }

    private func measure(_ stack: LocalStack) throws -> Report {
        let domain = try ProtectionDomain(stack.open(0))
        let buffer = try RegisteredBuffer(domain, byteCount: byteCount)
        var registrations: [Double] = []
        var releases: [Double] = []
        for round in 0..<Self.rounds {
            var watch = Stopwatch()
            var region: MemoryRegion? = try MemoryRegion(domain, of: buffer, access: .localWrite)
            let registration = watch.lap()
            withExtendedLifetime(region) {}
            region = nil
            let release = watch.lap()
            guard round >= Self.rounds / 10 else { continue }
            registrations.append(Double(registration))
            releases.append(Double(release))
        }
        var report = Report()
        report.add("size", byteCount)
        report.addTimes("registerNanoseconds", registrations)
        report.addTimes("deregisterNanoseconds", releases)
        return report
    }
}

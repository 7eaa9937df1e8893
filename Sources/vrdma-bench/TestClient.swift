import OutOfBand
import VRDMA

/// The side that measures.
struct TestClient {
    let plan: TestPlan
    let side: TestSide
    let peer: RemoteMemory

    func run(_ other: inout OutOfBandConnection) throws -> Report {
        TestSide.fill(side.outgoing)
        var report = Report()
        report.add("test", plan.kind.rawValue)
        report.add("size", plan.byteCount)
        switch plan.kind {
        case .write, .read, .send, .fetchAndAdd: try stream(&report)
        case .sendPingPong: try sendPingPong(&report)
        case .writePingPong: try writePingPong(&report)
        }
        try other.send("done")
        guard try other.receive() == "verified" else { throw BenchError("the server found other bytes than were sent") }
        // A READ is over when it completes; nothing more is needed of the server.
        if plan.kind == .read { try TestSide.verify(side.outgoing, byteCount: plan.byteCount) }
        report.add("verified", "yes")
        return report
    }

    private func stream(_ report: inout Report) throws {
        let local = side.outgoing[0..<plan.byteCount]
        let request: WorkRequest
        switch plan.kind {
        case .read: request = .read(into: local, from: peer)
        case .send: request = .send(local)
        case .fetchAndAdd: request = .fetchAndAdd(into: local, at: peer, add: 1)
        default: request = .write(local, to: peer)
        }
        let stream = Stream(
            queuePair: side.queuePair, completions: side.completions, depth: plan.depth,
            signalEvery: plan.signalEvery, list: plan.list)
        let result = try stream.run(request, durationNanoseconds: plan.durationNanoseconds)
        if plan.kind == .send { try sendEnd() }
        let seconds = Double(result.nanoseconds) / 1e9
        report.add("depth", plan.depth)
        report.add("signalEvery", plan.signalEvery)
        report.add("list", plan.list)
        report.add("seconds", seconds)
        report.add("messagesPerSecond", Double(result.messages) / seconds)
        report.add("bytesPerSecond", Double(result.messages) * Double(plan.byteCount) / seconds)
    }

    /// Tells the receiver that this was all.
    private func sendEnd() throws {
        try side.queuePair.post(.send(side.outgoing[0..<plan.byteCount], immediate: 1))
        while true {
            guard let completion = side.completions.poll() else { continue }
            try TestSide.check(completion)
            return
        }
    }

    private func sendPingPong(_ report: inout Report) throws {
        let times = try SendPingPong(plan: plan, side: side).measure()
        report.add("wait", plan.wait.rawValue)
        report.addTimes("halfRoundTripNanoseconds", times)
    }

    private func writePingPong(_ report: inout Report) throws {
        let times = try WritePingPong(plan: plan, side: side, peer: peer).measure()
        report.addTimes("halfRoundTripNanoseconds", times)
    }
}

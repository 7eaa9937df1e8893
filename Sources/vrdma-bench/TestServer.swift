import OutOfBand
import VRDMA

/// The side that answers, or only has its memory worked on.
struct TestServer {
    let plan: TestPlan
    let side: TestSide
    let peer: RemoteMemory

    func run(_ other: inout OutOfBandConnection) throws {
        switch plan.kind {
        case .read: TestSide.fill(side.incoming)
        case .send: try receiveAll()
        case .sendPingPong:
            TestSide.fill(side.outgoing)
            try SendPingPong(plan: plan, side: side).answer()
        case .writePingPong: try WritePingPong(plan: plan, side: side, peer: peer).answer()
        case .write, .fetchAndAdd: break
        }
        guard try other.receive() == "done" else { throw BenchError("the client ended too early") }
        switch plan.kind {
        case .write, .send, .sendPingPong: try TestSide.verify(side.incoming, byteCount: plan.byteCount)
        case .fetchAndAdd:
            guard side.incoming.load(as: UInt64.self) > 0 else { throw BenchError("nothing was added") }
        case .read, .writePingPong: break
        }
        try other.send("verified")
    }

    /// Takes messages and posts receive requests anew, until one comes with immediate data.
    private func receiveAll() throws {
        let requests = [ReceiveRequest](repeating: side.receiveRequest, count: 64)
        var batch = [WorkCompletion](repeating: WorkCompletion(), count: 64)
        var isOver = false
        while !isOver {
            let count = side.completions.poll(into: &batch)
            guard count > 0 else { continue }
            for index in 0..<count {
                try TestSide.check(batch[index])
                if batch[index].immediate != nil { isOver = true }
            }
            try side.queuePair.post(requests.span.extracting(0..<count))
        }
    }
}

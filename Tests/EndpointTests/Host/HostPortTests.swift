import HostSimulation
import Testing
import Verbs

@testable import Endpoint

/// Requests on a port that is down end, even where the device forgets them.
struct HostPortTests {
    private func standingPair() throws -> HostPair {
        let pair = try HostPair()
        pair.adapter.behaviour.forgetsRequests = true
        pair.a.queuePair.post(
            .write(pair.a.buffer.element(0, 8), to: pair.b.buffer),
            .write(pair.a.buffer.element(8, 8), to: pair.b.buffer))
        for _ in 0..<5 { pair.endpoints[0].poll() }
        return pair
    }

    @Test func overdueRequestsEnd() throws {
        let pair = try standingPair()
        pair.adapter.change(port: 1)
        pair.endpoints[0].poll()
        // Not before the retries must have been used up.
        pair.endpoints[0].advance(nanoseconds: 900_000_000)
        #expect(pair.a.sendQueue.drain().isEmpty)
        pair.endpoints[0].advance(nanoseconds: 120_000_000_000)
        #expect(pair.a.sendQueue.drain().map(\.status) == [.retryExceeded, .flushError])
        // And the queue pair can be used again when the port is.
        pair.adapter.change(port: 4)
        pair.adapter.behaviour.forgetsRequests = false
        pair.settle()
        #expect(pair.endpoints[0].device.nextDeadlineNanoseconds == nil)
        try pair.a.queuePair.modify(.reset)
        try pair.b.queuePair.modify(.reset)
        pair.settle()
        try pair.a.queuePair.connect(pair.a.connection(to: pair.b))
        try pair.b.queuePair.connect(pair.b.connection(to: pair.a))
        #expect(pair.run(.write(to: pair.b.buffer)).map(\.status) == [.success])
        pair.check()
        pair.end()
    }

    /// A port that comes back in time loses nothing, and one that stays active is not watched.
    @Test func activeAgain() throws {
        let pair = try standingPair()
        pair.endpoints[0].advance(nanoseconds: 600_000_000_000)
        #expect(pair.a.sendQueue.drain().isEmpty)
        pair.adapter.change(port: 1)
        pair.endpoints[0].poll()
        pair.endpoints[0].advance(nanoseconds: 500_000_000)
        pair.adapter.change(port: 4)
        pair.adapter.behaviour.forgetsRequests = false
        pair.settle()
        #expect(pair.a.sendQueue.drain().map(\.status) == [.success, .success])
        pair.check()
        pair.end()
    }
}

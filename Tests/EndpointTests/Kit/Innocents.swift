import Testing
import Verbs

@testable import Endpoint

/// Two guests that do nothing wrong, beside those that do: their bytes and their service must not suffer.
struct Innocents {
    let endpoint: SimulatedEndpoint
    let one: Application
    let other: Application
    private let secret: [UInt8]

    init(_ endpoint: SimulatedEndpoint, using generator: inout SeededGenerator) throws {
        self.endpoint = endpoint
        one = try Application(endpoint.addGuest(name: "innocent1"), bufferBytes: 8192)
        other = try Application(endpoint.addGuest(name: "innocent2"), bufferBytes: 8192)
        try one.queuePair.connect(one.connection(to: other))
        try other.queuePair.connect(other.connection(to: one))
        secret = generator.bytes(4096)
        for side in [one, other] { side.buffer.write(secret, at: 4096) }
    }

    /// Exchanges a few messages; records an issue when one of them is disturbed, or was looked into.
    func check(using generator: inout SeededGenerator, sourceLocation: SourceLocation = #_sourceLocation) {
        let data = generator.bytes(64)
        for (from, to) in [(one, other), (other, one)] {
            from.buffer.write(data)
            to.queuePair.postReceive(3, to.buffer.element(64, 64))
            from.queuePair.post(
                .write(from.buffer.element(0, 64), to: to.buffer, at: 128), .send(from.buffer.element(0, 64)),
                .read(from.buffer.element(192, 64), from: to.buffer, at: 128))
        }
        for _ in 0..<200 {
            endpoint.poll()
            if one.sendQueue.ring.completion(at: one.sendQueue.head &+ 2) != nil,
                other.sendQueue.ring.completion(at: other.sendQueue.head &+ 2) != nil
            {
                break
            }
        }
        for side in [one, other] {
            #expect(
                side.sendQueue.drain().map(\.status) == [.success, .success, .success], sourceLocation: sourceLocation)
            #expect(side.receiveQueue.drain().map(\.status) == [.success], sourceLocation: sourceLocation)
            for offset in [64, 128, 192] {
                #expect(
                    difference(side.buffer.bytes(offset..<offset + 64), data) == nil, sourceLocation: sourceLocation)
            }
            #expect(difference(side.buffer.bytes(4096..<8192), secret) == nil, sourceLocation: sourceLocation)
            #expect(side.context.takeAsyncEvents().isEmpty, sourceLocation: sourceLocation)
        }
    }
}

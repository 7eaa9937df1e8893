import CVRDMAABI
import HostSimulation
import Testing
import Verbs

@testable import Endpoint

/// What the device is told of each request, and what the guest is told of its end.
struct HostOperationTests {
    private func rememberingPair() throws -> HostPair {
        var behaviour = SimulatedBehaviour()
        behaviour.remembersRequests = true
        return try HostPair(behaviour: behaviour)
    }

    @Test func flags() throws {
        let pair = try rememberingPair()
        for _ in 0..<4 { pair.b.queuePair.postReceive(1) }
        let send = SendRequest.send()
        _ = pair.run(
            send.with { $0.isFenced = true }, send.with { $0.isSolicited = true }.unsignaled,
            send.with { ($0.isFenced, $0.isSolicited) = (true, true) }, send)
        #expect(pair.adapter.posted.map(\.isFenced) == [true, false, true, false])
        #expect(pair.adapter.posted.map(\.isSolicited) == [false, true, true, false])
        #expect(pair.adapter.posted.map(\.isSignaled) == [true, false, true, true])
        #expect(pair.adapter.posted.map(\.index) == [0, 1, 2, 3])
        pair.end()
    }

    @Test func signalsAll() throws {
        var behaviour = SimulatedBehaviour()
        behaviour.remembersRequests = true
        let pair = try HostPair(behaviour: behaviour, capabilities: .init(signalsAll: true))
        #expect(pair.run(SendRequest.write(to: pair.b.buffer).unsignaled).count == 1)
        #expect(pair.adapter.posted.map(\.isSignaled) == [true])
        pair.end()
    }

    /// The consumer index follows the completions, also of requests that have none of their own.
    @Test func headFollows() throws {
        let pair = try HostPair(capabilities: .init(sendEntries: 8, receiveEntries: 8))
        let write = SendRequest.write(to: pair.b.buffer)
        #expect(pair.run(write.unsignaled, write.unsignaled).isEmpty)
        #expect(pair.a.queuePair.send.head.acquire() == 0)
        #expect(pair.run(write.unsignaled, write.numbered(9)).map(\.identifier) == [9])
        #expect(pair.a.queuePair.send.head.acquire() == 4)
        // Many times round the ring.
        for round in 0..<100 {
            let found = pair.run(write.unsignaled, write.unsignaled, write.unsignaled, write.numbered(UInt64(round)))
            #expect(found.map(\.identifier) == [UInt64(round)])
            #expect(pair.a.queuePair.send.head.acquire() == UInt32(8 + 4 * round))
        }
        pair.end()
    }

    @Test func immediateAndInline() throws {
        let pair = try rememberingPair()
        pair.b.queuePair.postReceive(1, pair.b.buffer.element(0, 64))
        pair.b.queuePair.postReceive(2)
        var send = SendRequest(.sendWithImmediate)
        (send.inlineData, send.immediate) = ([UInt8](1...20), 0xdead_beef)
        var write = SendRequest(.rdmaWriteWithImmediate).at(pair.b.buffer, 128)
        (write.inlineData, write.immediate) = ([UInt8](21...40), 0)
        #expect(pair.run(send, write).map(\.byteLength) == [20, 20])
        let received = pair.b.receiveQueue.drain()
        #expect(received.map(\.immediate) == [0xdead_beef, 0])
        #expect(received.map(\.opcode) == [.receive, .receiveRDMAWithImmediate])
        #expect(received.map(\.byteLength) == [20, 20])
        #expect(pair.b.buffer.bytes(0..<20) == [UInt8](1...20))
        #expect(pair.b.buffer.bytes(128..<148) == [UInt8](21...40))
        #expect(pair.adapter.posted.allSatisfy { $0.elementCount == 0 && $0.inlineAddress != 0 })
        pair.end()
    }

    /// Elements without bytes are left out, whatever key they name: they are not checked (IBA 10.6.3.2).
    @Test func emptyElements() throws {
        let pair = try rememberingPair()
        pair.a.buffer.write([1, 2, 3, 4, 5, 6])
        let empty = vrdma_sge(address: .max, length: 0, lkey: 0xbad)
        let found = pair.run(
            .write(empty, pair.a.buffer.element(0, 3), empty, pair.a.buffer.element(3, 3), empty, to: pair.b.buffer),
            .write(empty, empty, to: pair.b.buffer))
        #expect(found.map(\.status) == [.success, .success])
        #expect(pair.adapter.posted.map(\.elementCount) == [2, 0])
        #expect(pair.b.buffer.bytes(0..<6) == [1, 2, 3, 4, 5, 6])
        pair.end()
    }

    @Test func atomics() throws {
        let pair = try HostPair(.oneEndpoint)
        pair.b.buffer.write(word: 40, at: 64)
        let result = pair.a.buffer.element(0, 8)
        #expect(pair.run(.fetchAndAdd(2, into: result, at: pair.b.buffer, 64)).map(\.status) == [.success])
        #expect(pair.a.buffer.word(at: 0) == 40)
        #expect(pair.run(.compareAndSwap(42, 7, into: result, at: pair.b.buffer, 64)).map(\.byteLength) == [8])
        #expect(pair.a.buffer.word(at: 0) == 42)
        #expect(pair.b.buffer.word(at: 64) == 7)
        pair.end()
    }

    /// The device reads and writes the guest's own pages: there is no copy in between.
    @Test func piecesOfMemory() throws {
        let pair = try HostPair()
        var generator = SeededGenerator(seed: 5)
        let lengths = [100, 1, 4096, 33, 700]
        let source = try pair.a.context.registerScattered(
            lengths, protectionDomain: pair.a.protectionDomain, using: &generator)
        let target = try pair.b.context.registerScattered(
            lengths.reversed(), protectionDomain: pair.b.protectionDomain, using: &generator)
        let data = generator.bytes(source.count)
        source.write(data)
        #expect(pair.run(.write(source.element(), to: target)).map(\.status) == [.success])
        #expect(difference(target.bytes, data) == nil)
        pair.end()
    }

    /// More than a batch of the adapter and than a turn of the engine.
    @Test(arguments: [1, 7, 64]) func batches(capacity: Int) throws {
        var behaviour = SimulatedBehaviour()
        behaviour.batchCapacity = capacity
        var limits = DeviceLimits()
        limits.workRequestsPerTurn = 20
        let pair = try HostPair(behaviour: behaviour, limits: limits)
        for identifier in 0..<100 { pair.b.queuePair.postReceive(UInt64(identifier), pair.b.buffer.element(0, 8)) }
        pair.a.queuePair.post((0..<100).map { .send(pair.a.buffer.element(0, 8)).numbered(UInt64($0)) })
        pair.settle()
        #expect(pair.a.sendQueue.drain().map(\.identifier) == Array(0..<100))
        #expect(pair.b.receiveQueue.drain().map(\.identifier) == Array(0..<100))
        pair.end()
    }

    /// One guest's receives do not use up a turn: what it may do is bounded.
    @Test func boundedTurn() throws {
        var limits = DeviceLimits()
        limits.workRequestsPerGuestTurn = 10
        limits.workRequestsPerTurn = 4
        let pair = try HostPair(limits: limits, isConnected: false)
        var pairs: [SimulatedQueuePair] = []
        for _ in 0..<8 {
            let queuePair = try pair.a.context.createQueuePair(
                .init(sendElements: 1, receiveElements: 1, inlineBytes: 0), protectionDomain: pair.a.protectionDomain,
                sendQueue: pair.a.sendQueue, receiveQueue: pair.a.receiveQueue)
            try queuePair.connect(pair.a.connection(to: pair.b))
            pairs.append(queuePair)
        }
        pair.settle()
        for queuePair in pairs { for _ in 0..<10 { queuePair.postReceive() } }
        let device = pair.endpoints[0].device
        func handedOn() -> Int {
            device.queuePairs.liveIndices.reduce(0) { $0 + Int(device.queuePairs[$1].receiveForwarded) }
        }
        var turns = 0
        while handedOn() < 80, turns < 100 {
            let before = handedOn()
            pair.endpoints[0].poll()
            #expect(handedOn() - before <= 13)
            turns += 1
        }
        #expect(handedOn() == 80)
        pair.end()
    }

    @Test func queriesAskTheDevice() throws {
        let pair = try HostPair()
        var connection = pair.a.connection(to: pair.b)
        try pair.a.queuePair.modify(.reset)
        (connection.sendPSN, connection.receivePSN) = (0x123, 0x456)
        try pair.a.queuePair.connect(connection)
        let found = try pair.a.queuePair.query()
        #expect((found.sq_psn, found.rq_psn) == (0x123, 0x456))
        #expect(found.destination_qp_number == pair.b.queuePair.number)
        let port = try pair.a.context.command(VRDMA_OP_QUERY_PORT, handle: 1)
        let attributes = try #require(port.payload(as: vrdma_query_port_reply.self))
        #expect((attributes.state, attributes.active_mtu, attributes.active_speed) == (4, 3, 1))
        let status = pair.endpoints[0].device.status()
        #expect(status.guests.first?.contexts.first?.queuePairs.first?.path == "simulated")
        pair.end()
    }
}

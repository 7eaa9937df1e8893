import CVRDMAABI
import Testing
import Verbs

@testable import Endpoint

/// Messages that take several turns, up to the longest that there is.
struct LongMessageTests {
    private static let longest = 1 << 31

    /// A region of `count` bytes that lie again and again on the same megabyte.
    private func folded(_ side: Application, _ count: Int) throws -> RegisteredBuffer {
        let megabyte = 1 << 20
        let memory = try side.context.attach(sizeBytes: megabyte)
        var pieces = [RegisteredBuffer.Piece](
            repeating: .init(memory: memory, offset: 0, length: megabyte), count: count / megabyte)
        if count % megabyte > 0 { pieces.append(.init(memory: memory, offset: 0, length: count % megabyte)) }
        return try side.context.register(pieces, protectionDomain: side.protectionDomain)
    }

    @Test(arguments: [WorkRequestOpcode.rdmaWrite, .rdmaRead, .send])
    func moreThanATurn(opcode: WorkRequestOpcode) throws {
        var limits = DeviceLimits()
        limits.bytesPerTurn = 4096
        let pair = try ConnectedPair(limits: limits, bufferBytes: 100_000)
        var generator = SeededGenerator(seed: 5)
        let data = generator.bytes(100_000)
        let source = opcode == .rdmaRead ? pair.b.buffer : pair.a.buffer
        let target = opcode == .rdmaRead ? pair.a.buffer : pair.b.buffer
        source.write(data)
        pair.b.queuePair.postReceive(1, pair.b.buffer.element())
        pair.a.queuePair.post(SendRequest(opcode, [pair.a.buffer.element()]).at(pair.b.buffer))
        pair.endpoint.poll()
        pair.endpoint.poll()
        // One turn moves what the limit says, so that others have theirs.
        #expect(difference(target.bytes(0..<4096), Array(data[0..<4096])) == nil)
        #expect(target.bytes(3 * 4096..<100_000).allSatisfy { $0 == 0 })
        #expect(pair.a.sendQueue.poll() == nil)
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().map(\.status) == [.success])
        #expect(difference(target.bytes, data) == nil)
    }

    /// A queue pair with a long message does not hold up another.
    @Test func othersHaveTheirTurns() throws {
        var limits = DeviceLimits()
        limits.bytesPerTurn = 4096
        let endpoint = SimulatedEndpoint(limits: limits)
        let applications = try (0..<4).map { _ in try Application(endpoint.addGuest(), bufferBytes: 1 << 20) }
        for (one, other) in [(0, 1), (1, 0), (2, 3), (3, 2)] {
            let side = applications[one]
            try side.queuePair.connect(side.connection(to: applications[other]))
        }
        let (slow, quick) = (applications[0], applications[2])
        slow.queuePair.post(.write(slow.buffer.element(), to: applications[1].buffer))
        quick.queuePair.post(.write(quick.buffer.element(0, 8), to: applications[3].buffer))
        for _ in 0..<3 { endpoint.poll() }
        #expect(quick.sendQueue.drain().map(\.status) == [.success])
        #expect(slow.sendQueue.drain().isEmpty)
    }

    @Test(arguments: [WorkRequestOpcode.rdmaWrite, .rdmaRead, .send])
    func longestMessage(opcode: WorkRequestOpcode) throws {
        let pair = try ConnectedPair()
        let (a, b) = (try folded(pair.a, Self.longest), try folded(pair.b, Self.longest))
        pair.b.queuePair.postReceive(1, b.element(0, Self.longest))
        let completions = pair.run(SendRequest(opcode, [a.element(0, Self.longest)]).at(b))
        #expect(completions.map(\.status) == [.success])
        #expect(completions.map(\.byteLength) == [UInt32(Self.longest)])
        if opcode == .send { #expect(pair.b.receiveQueue.poll()?.byteLength == UInt32(Self.longest)) }
    }

    /// One byte more is an error of the requester, and nothing is sent.
    @Test(arguments: [WorkRequestOpcode.rdmaWrite, .rdmaRead, .send], [1, 2])
    func tooLong(opcode: WorkRequestOpcode, elementCount: Int) throws {
        let pair = try ConnectedPair()
        let (a, b) = (try folded(pair.a, Self.longest + 1), try folded(pair.b, Self.longest + 1))
        pair.b.queuePair.postReceive(1, b.element(0, Self.longest + 1))
        let elements =
            elementCount == 1
            ? [a.element(0, Self.longest + 1)] : [a.element(0, Self.longest), a.element(Self.longest, 1)]
        #expect(pair.run(SendRequest(opcode, elements).at(b)).map(\.status) == [.localLengthError])
        #expect(try pair.a.queuePair.state() == .error)
        #expect(try pair.b.queuePair.state() == .readyToSend)
    }

    /// The memory is deregistered while the message is under way.
    @Test(arguments: [true, false])
    func regionGoesAway(isLocal: Bool) throws {
        var limits = DeviceLimits()
        limits.bytesPerTurn = 4096
        let pair = try ConnectedPair(limits: limits, bufferBytes: 100_000)
        pair.a.queuePair.post(.write(pair.a.buffer.element(), to: pair.b.buffer))
        pair.endpoint.poll()
        pair.endpoint.poll()
        try (isLocal ? pair.a : pair.b).context.deregister(isLocal ? pair.a.buffer : pair.b.buffer)
        pair.endpoint.settle()
        #expect(
            pair.a.sendQueue.drain().map(\.status) == [isLocal ? .localProtectionError : .remoteAccessError])
        Invariants.check(pair.endpoint)
    }

    /// The peer ends while the message is under way: the rest is not answered.
    @Test func peerGoesAway() throws {
        var limits = DeviceLimits()
        limits.bytesPerTurn = 4096
        let pair = try ConnectedPair(limits: limits, bufferBytes: 100_000)
        pair.a.queuePair.post(.write(pair.a.buffer.element(), to: pair.b.buffer))
        pair.endpoint.poll()
        pair.endpoint.poll()
        pair.b.guest.remove()
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().isEmpty)
        pair.endpoint.advance(nanoseconds: 10_000_000_000)
        #expect(pair.a.sendQueue.drain().map(\.status) == [.retryExceeded])
        Invariants.check(pair.endpoint)
    }
}

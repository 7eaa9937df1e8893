import CVRDMAABI
import Testing
import Verbs

@testable import Endpoint

/// A peer that does not answer: the request is sent again with each ACK timeout, and fails when the retries are used up
/// (IBA vol. 1, 9.7.6.1.3, 9.9.2.1: timeout × (retry count + 1); timeout 0 waits for ever).
struct RetryTests {
    /// 4.096 µs × 2^n.
    private func timeout(_ encoded: UInt8) -> UInt64 { 4096 << UInt64(encoded) }

    /// Why nobody answers.
    enum Absence: CaseIterable {
        case destroyed
        case guestGone
        case contextClosed
        case inReset
        case inInit
        case inError
        case connectedToAnother
        case otherPSN
        case wrongNumber
    }

    private func makeAbsent(_ absence: Absence, _ pair: ConnectedPair) throws {
        let b = pair.b.queuePair
        switch absence {
        case .destroyed: try b.destroy()
        case .guestGone: pair.b.guest.remove()
        case .contextClosed: try pair.b.context.close()
        case .inReset: try b.modify(.reset)
        case .inInit:
            try b.modify(.reset)
            try b.modify(Connection().initialize)
        case .inError: try b.modify(.error)
        case .connectedToAnother:
            try b.modify(.reset)
            var connection = pair.b.connection(to: pair.a)
            connection.destinationNumber += 1
            try b.connect(connection)
        case .otherPSN:
            try b.modify(.reset)
            var connection = pair.b.connection(to: pair.a)
            connection.receivePSN = 5
            try b.connect(connection)
        case .wrongNumber:
            try pair.a.queuePair.modify(.reset)
            var connection = pair.a.connection(to: pair.b)
            connection.destinationNumber = 0xff_fff0
            try pair.a.queuePair.connect(connection)
        }
    }

    @Test(arguments: Absence.allCases)
    func noAnswer(absence: Absence) throws {
        let pair = try ConnectedPair()
        try makeAbsent(absence, pair)
        pair.a.queuePair.post(
            .write(pair.a.buffer.element(0, 8), to: pair.b.buffer).unsignaled.numbered(1), .send().numbered(2))
        pair.endpoint.settle()
        pair.endpoint.advance(nanoseconds: timeout(14) * 4 - 1)
        #expect(pair.a.sendQueue.drain().isEmpty)
        #expect(try pair.a.queuePair.state() == .readyToSend)
        pair.endpoint.advance(nanoseconds: 1)
        let completions = pair.a.sendQueue.drain()
        #expect(completions.map(\.identifier) == [1, 2])
        #expect(completions.map(\.status) == [.retryExceeded, .flushError])
        #expect(try pair.a.queuePair.state() == .error)
        #expect(pair.a.context.takeAsyncEvents().isEmpty)
        Invariants.check(pair.endpoint)
    }

    @Test(arguments: [(UInt8(1), UInt8(0)), (1, 7), (8, 2), (14, 0), (20, 1), (31, 7)])
    func timing(encoded: UInt8, retries: UInt8) throws {
        var connection = Connection()
        connection.timeout = encoded
        connection.retryCount = retries
        let pair = try ConnectedPair(connectionOfA: connection)
        try pair.b.queuePair.destroy()
        pair.a.queuePair.post(.send())
        pair.endpoint.settle()
        pair.endpoint.advance(nanoseconds: timeout(encoded) * (UInt64(retries) + 1) - 1)
        #expect(pair.a.sendQueue.drain().isEmpty)
        pair.endpoint.advance(nanoseconds: 1)
        #expect(pair.a.sendQueue.drain().map(\.status) == [.retryExceeded])
    }

    /// Every operation needs an answer.
    @Test(arguments: WorkRequestOpcode.allCases)
    func everyOperation(opcode: WorkRequestOpcode) throws {
        let pair = try ConnectedPair()
        try pair.b.queuePair.modify(.error)
        pair.a.queuePair.post(SendRequest(opcode, [pair.a.buffer.element(0, 8)]).at(pair.b.buffer))
        pair.endpoint.settle()
        pair.endpoint.advance(nanoseconds: timeout(14) * 4)
        #expect(pair.a.sendQueue.drain().map(\.status) == [.retryExceeded])
    }

    @Test func forEver() throws {
        var connection = Connection()
        connection.timeout = 0
        let pair = try ConnectedPair(connectionOfA: connection)
        try pair.b.queuePair.modify(.reset)
        pair.a.queuePair.post(.write(pair.a.buffer.element(0, 8), to: pair.b.buffer))
        pair.endpoint.settle()
        pair.endpoint.advance(nanoseconds: 60_000_000_000)
        #expect(pair.a.sendQueue.drain().isEmpty)
        try pair.b.queuePair.becomeReadyToReceive(pair.b.connection(to: pair.a))
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().map(\.status) == [.success])
    }

    /// A peer that becomes ready within the retries finds the request waiting; in RTR that establishes communication
    /// (ibv_get_async_event(3), IBV_EVENT_COMM_EST).
    @Test func readyLater() throws {
        let pair = try ConnectedPair(isConnected: false)
        try pair.a.queuePair.connect(pair.a.connection(to: pair.b))
        pair.a.buffer.write([5, 6, 7])
        pair.a.queuePair.post(.write(pair.a.buffer.element(0, 3), to: pair.b.buffer))
        pair.endpoint.settle()
        pair.endpoint.advance(nanoseconds: timeout(14) * 3)
        #expect(pair.a.sendQueue.drain().isEmpty)
        try pair.b.queuePair.becomeReadyToReceive(pair.b.connection(to: pair.a))
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().map(\.status) == [.success])
        #expect(pair.b.buffer.bytes(0..<3) == [5, 6, 7])
        #expect(
            pair.b.context.takeAsyncEvents() == [AsyncEvent(.communicationEstablished, pair.b.queuePair.number)])
        // Once only.
        pair.a.queuePair.post(.write(pair.a.buffer.element(0, 3), to: pair.b.buffer))
        pair.endpoint.settle()
        #expect(pair.b.context.takeAsyncEvents().isEmpty)
    }

    /// After ERR, RESET and a new connection everything works again, under new PSNs.
    @Test func reconnected() throws {
        let pair = try ConnectedPair()
        for turn in UInt32(1)...20 {
            try pair.b.queuePair.modify(.error)
            pair.a.queuePair.post(.send())
            pair.endpoint.advance(nanoseconds: timeout(14) * 4)
            #expect(pair.a.sendQueue.drain().map(\.status) == [.retryExceeded])
            var (a, b) = (Connection(), Connection())
            (a.sendPSN, b.receivePSN) = (turn &* 1_000_003, turn &* 1_000_003)
            (a.receivePSN, b.sendPSN) = (0xff_ffff - turn, 0xff_ffff - turn)
            try pair.reconnect(connectionOfA: a, connectionOfB: b)
            #expect(pair.run(.write(pair.a.buffer.element(0, 8), to: pair.b.buffer)).map(\.status) == [.success])
            pair.b.queuePair.post(.read(pair.b.buffer.element(0, 8), from: pair.a.buffer))
            pair.endpoint.settle()
            #expect(pair.b.sendQueue.drain().map(\.status) == [.success])
        }
        Invariants.check(pair.endpoint)
    }

    /// PSNs count packets of the path MTU, modulo 2^24 (IBA 9.7.2), and queries show the next one.
    @Test(arguments: [(UInt32(1), 256), (3, 1024), (5, 4096)])
    func packetSequenceNumbers(mtu: UInt32, mtuBytes: Int) throws {
        var (a, b) = (Connection(), Connection())
        (a.pathMTU, b.pathMTU) = (mtu, mtu)
        (a.sendPSN, b.receivePSN) = (0xff_fffe, 0xff_fffe)
        let pair = try ConnectedPair(connectionOfA: a, connectionOfB: b)
        var expected: UInt32 = 0xff_fffe
        for length in [0, 1, mtuBytes - 1, mtuBytes, mtuBytes + 1, 3 * mtuBytes, 10_000] {
            for opcode in [WorkRequestOpcode.rdmaWrite, .rdmaRead] {
                let request = SendRequest(opcode, [pair.a.buffer.element(0, length)]).at(pair.b.buffer)
                #expect(pair.run(request).map(\.status) == [.success])
                expected = (expected + UInt32(max(1, (length + mtuBytes - 1) / mtuBytes))) & 0xff_ffff
                #expect(try pair.a.queuePair.query().sq_psn == expected)
                #expect(try pair.b.queuePair.query().rq_psn == expected)
            }
        }
    }
}

import CVRDMAABI
import Testing
import Verbs

@testable import Endpoint

/// A receiver without a receive: the requester tries again after the receiver's RNR timer, as often as its own retry
/// count says, 7 being without end (IBA vol. 1, 9.7.5.2.8, table 45; 11.2.5.2).
struct ReceiverNotReadyTests {
    /// The encoded timer 12 of table 45: 0.64 ms.
    private static let timerNanoseconds: UInt64 = 640_000

    private func pair(rnrRetry: UInt8, timer: UInt8 = 12) throws -> ConnectedPair {
        var (a, b) = (Connection(), Connection())
        a.rnrRetry = rnrRetry
        b.minRNRTimer = timer
        return try ConnectedPair(connectionOfA: a, connectionOfB: b)
    }

    @Test(arguments: UInt8(0)...6)
    func givesUp(retries: UInt8) throws {
        let pair = try pair(rnrRetry: retries)
        pair.a.queuePair.post(.send(pair.a.buffer.element(0, 8)).unsignaled.numbered(3), .send().numbered(4))
        pair.endpoint.settle()
        if retries > 0 {
            pair.endpoint.advance(nanoseconds: Self.timerNanoseconds * UInt64(retries) - 1)
            #expect(pair.a.sendQueue.drain().isEmpty)
            pair.endpoint.advance(nanoseconds: 1)
        }
        let completions = pair.a.sendQueue.drain()
        #expect(completions.map(\.identifier) == [3, 4])
        #expect(completions.map(\.status) == [.receiverNotReadyRetryExceeded, .flushError])
        #expect(try pair.a.queuePair.state() == .error)
        // The receiver has nothing to complain about.
        #expect(try pair.b.queuePair.state() == .readyToSend)
        #expect(pair.b.context.takeAsyncEvents().isEmpty)
        Invariants.check(pair.endpoint)
    }

    @Test(arguments: [WorkRequestOpcode.send, .sendWithImmediate, .rdmaWriteWithImmediate], [UInt8(1), 6, 7])
    func goesOnWithAReceive(opcode: WorkRequestOpcode, retries: UInt8) throws {
        let pair = try pair(rnrRetry: retries)
        pair.a.buffer.write([1, 2, 3])
        pair.a.queuePair.post(SendRequest(opcode, [pair.a.buffer.element(0, 3)]).at(pair.b.buffer))
        pair.endpoint.settle()
        pair.endpoint.advance(nanoseconds: Self.timerNanoseconds / 2)
        #expect(pair.a.sendQueue.drain().isEmpty)
        pair.b.queuePair.postReceive(1, pair.b.buffer.element(0, 8))
        // At once, not at the end of the timer: the doorbell of the receive wakes the sender.
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().map(\.status) == [.success])
        #expect(pair.b.receiveQueue.drain().map(\.status) == [.success])
        #expect(pair.b.buffer.bytes(0..<3) == [1, 2, 3])
        Invariants.check(pair.endpoint)
    }

    @Test func waitsForEver() throws {
        let pair = try pair(rnrRetry: 7)
        pair.a.queuePair.post(.send(pair.a.buffer.element(0, 8)))
        pair.endpoint.advance(nanoseconds: 60_000_000_000)
        #expect(pair.a.sendQueue.drain().isEmpty)
        #expect(try pair.a.queuePair.state() == .readyToSend)
        pair.b.queuePair.postReceive(1, pair.b.buffer.element(0, 8))
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().map(\.status) == [.success])
    }

    /// Operations that need no receive are not held up by its absence, those behind a SEND are.
    @Test func order() throws {
        let pair = try pair(rnrRetry: 7)
        let write = SendRequest.write(pair.a.buffer.element(0, 8), to: pair.b.buffer)
        pair.a.queuePair.post(write.numbered(1), .send().numbered(2), write.numbered(3))
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().map(\.identifier) == [1])
        pair.b.queuePair.postReceive()
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().map(\.identifier) == [2, 3])
    }

    /// Each message has all of its retries.
    @Test func retriesAreOfAMessage() throws {
        let pair = try pair(rnrRetry: 2)
        for _ in 0..<5 {
            pair.a.queuePair.post(.send())
            pair.endpoint.settle()
            pair.endpoint.advance(nanoseconds: Self.timerNanoseconds * 2 - 1)
            pair.b.queuePair.postReceive()
            pair.endpoint.settle()
            #expect(pair.a.sendQueue.drain().map(\.status) == [.success])
        }
    }

    /// The timers of IBA table 45, in microseconds.
    @Test(arguments: [
        (UInt8(0), UInt64(655_360)), (1, 10), (2, 20), (3, 30), (4, 40), (5, 60), (8, 160), (16, 2560), (31, 491_520),
    ])
    func timers(encoded: UInt8, microseconds: UInt64) throws {
        let pair = try pair(rnrRetry: 1, timer: encoded)
        pair.a.queuePair.post(.send())
        pair.endpoint.settle()
        pair.endpoint.advance(nanoseconds: microseconds * 1000 - 1)
        #expect(pair.a.sendQueue.drain().isEmpty)
        pair.endpoint.advance(nanoseconds: 1)
        #expect(pair.a.sendQueue.drain().map(\.status) == [.receiverNotReadyRetryExceeded])
    }

    /// The receiver goes away while the sender waits for its receive.
    @Test func receiverEnds() throws {
        let pair = try pair(rnrRetry: 7)
        pair.a.queuePair.post(.send())
        pair.endpoint.settle()
        try pair.b.queuePair.destroy()
        pair.endpoint.advance(nanoseconds: 10_000_000_000)
        #expect(pair.a.sendQueue.drain().map(\.status) == [.retryExceeded])
        Invariants.check(pair.endpoint)
    }

    /// A queue pair that was made without a receive queue never has a receive, and nothing is ever written where its
    /// receive queue would be: that is the application's memory.
    @Test func noReceiveQueue() throws {
        let pair = try ConnectedPair(isConnected: false)
        let memory = try pair.b.context.attach(sizeBytes: 4096)
        let pattern = [UInt8](repeating: 0x55, count: 4096)
        memory.write(pattern, at: 0)
        var request = vrdma_create_qp_command()
        request.send_queue = pair.b.context.memory.name(try pair.b.context.memory.allocate(4096))
        request.receive_queue = memory.name(0)
        (request.send_entries, request.send_stride_bytes, request.max_send_sge) = (4, 64, 1)
        request.pd = pair.b.protectionDomain
        (request.send_cq, request.receive_cq) = (pair.b.sendQueue.handle, pair.b.receiveQueue.handle)
        request.type = VRDMA_QPT_RC.rawValue
        request.slot = pair.b.context.freeSlot
        let receiver = try pair.b.context.createQueuePair(request)
        try receiver.connect(pair.b.connection(to: pair.a))
        var connection = pair.a.connection(to: pair.b)
        connection.destinationNumber = receiver.number
        try pair.a.queuePair.connect(connection)

        pair.a.queuePair.post(.send())
        pair.endpoint.settle()
        #expect(difference(memory.read(at: 0, count: 4096), pattern) == nil)
        pair.endpoint.advance(nanoseconds: Self.timerNanoseconds * 3)
        #expect(pair.a.sendQueue.drain().map(\.status) == [.receiverNotReadyRetryExceeded])
        receiver.post(.send())
        try receiver.modify(.error)
        pair.endpoint.settle()
        #expect(pair.b.sendQueue.drain().map(\.status) == [.flushError])
        for _ in 0..<10 { _ = pair.endpoint.device.prepareToSleep() }
        #expect(difference(memory.read(at: 0, count: 4096), pattern) == nil)
    }

    /// Waiting costs nothing: the endpoint may sleep until the timer.
    @Test func sleeps() throws {
        let pair = try pair(rnrRetry: 7)
        pair.a.queuePair.post(.send())
        pair.endpoint.settle()
        for _ in 0..<4 { _ = pair.endpoint.device.prepareToSleep() }
        let isQuiet = pair.endpoint.device.prepareToSleep()
        let deadline = try #require(pair.endpoint.device.nextDeadlineNanoseconds)
        #expect(isQuiet)
        #expect(deadline > pair.endpoint.nowNanoseconds)
        pair.b.queuePair.postReceive()
        pair.endpoint.settle()
        #expect(pair.a.sendQueue.drain().map(\.status) == [.success])
    }
}

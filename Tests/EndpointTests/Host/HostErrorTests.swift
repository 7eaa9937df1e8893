import CVRDMAABI
import HostSimulation
import SharedMemory
import Testing
import Verbs

@testable import Endpoint

/// Errors through the device: in their place in the order, with the status that the guest expects, each request once.
struct HostErrorTests {
    private static let layouts = HostPair.Layout.allCases

    /// Good requests, some of them without a completion, then one that may not be made, then more.
    private func expectRefusal(
        _ pair: HostPair, _ status: WorkCompletionStatus, _ bad: SendRequest,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let write = SendRequest.write(pair.a.buffer.element(0, 4), to: pair.b.buffer)
        pair.a.buffer.write([1, 2, 3, 4])
        let found = pair.run(
            write.numbered(1), write.unsignaled.numbered(2), bad.unsignaled.numbered(3), write.numbered(4),
            write.unsignaled.numbered(5))
        #expect(found.map(\.identifier) == [1, 3, 4, 5], sourceLocation: sourceLocation)
        #expect(
            found.map(\.status) == [.success, status, .flushError, .flushError], sourceLocation: sourceLocation)
        #expect(found.dropFirst().first?.opcode == bad.opcode.completionOpcode, sourceLocation: sourceLocation)
        #expect(pair.b.buffer.bytes(0..<4) == [1, 2, 3, 4], sourceLocation: sourceLocation)
        #expect((try? pair.a.queuePair.state()) == .error, sourceLocation: sourceLocation)
        // What is posted afterwards is flushed too.
        pair.a.queuePair.postReceive(7)
        #expect(
            pair.run(write.numbered(6)).map(\.status) == [.flushError], sourceLocation: sourceLocation)
        #expect(pair.a.receiveQueue.drain().map(\.status) == [.flushError], sourceLocation: sourceLocation)
        pair.check(sourceLocation: sourceLocation)
    }

    @Test(arguments: layouts) func foreignKeys(layout: HostPair.Layout) throws {
        let pair = try HostPair(layout)
        let domain = try pair.a.context.allocateProtectionDomain()
        let other = try pair.a.context.register(64, protectionDomain: domain)
        let gone = try pair.a.register(64)
        try pair.a.context.deregister(gone)
        let elements = [
            pair.b.buffer.element(0, 4), other.element(0, 4), gone.element(0, 4),
            vrdma_sge(address: 0, length: 4, lkey: 0), vrdma_sge(address: 0, length: 4, lkey: .max),
            vrdma_sge(address: pair.a.buffer.start - 1, length: 4, lkey: pair.a.buffer.key),
            vrdma_sge(address: pair.a.buffer.start, length: .max, lkey: pair.a.buffer.key),
        ]
        for element in elements {
            expectRefusal(pair, .localProtectionError, .write(element, to: pair.b.buffer))
            try reconnect(pair)
        }
        pair.end()
    }

    private func reconnect(_ pair: HostPair) throws {
        for side in [pair.a, pair.b] {
            try side.queuePair.modify(.reset)
            pair.settle()
            _ = side.sendQueue.drain()
            _ = side.receiveQueue.drain()
            _ = side.context.takeAsyncEvents()
        }
        try pair.connect()
    }

    /// What a work request may not be, and what no library of ours writes.
    @Test(arguments: layouts) func badRequests(layout: HostPair.Layout) throws {
        let pair = try HostPair(
            layout, capabilities: .init(sendElements: 2, receiveElements: 2, inlineBytes: 64))
        let element = pair.a.buffer.element(0, 4)
        let changes: [(inout vrdma_send_wqe) -> Void] = [
            { $0.opcode = 200 }, { $0.sge_count = 3 }, { $0.sge_count = .max },
            {
                $0.flags |= UInt8(VRDMA_SEND_INLINE.rawValue)
                $0.inline_bytes = 65
            },
            {
                $0.flags |= UInt8(VRDMA_SEND_INLINE.rawValue)
                $0.inline_bytes = .max
            },
            {
                $0.flags |= UInt8(VRDMA_SEND_INLINE.rawValue)
                $0.opcode = WorkRequestOpcode.rdmaRead.rawValue
            },
        ]
        for change in changes {
            let write = SendRequest.write(element, to: pair.b.buffer)
            let queuePair = pair.a.queuePair
            for position in 0..<4 {
                queuePair.write(write.numbered(UInt64(position)).unsignaled, at: queuePair.sendTail &+ UInt32(position))
            }
            let place = queuePair.send.entry(queuePair.sendTail &+ 2)
            var entry = place.loadUnaligned(as: vrdma_send_wqe.self)
            change(&entry)
            place.storeBytes(of: entry, as: vrdma_send_wqe.self)
            queuePair.publishSend(queuePair.sendTail &+ 4)
            pair.settle()
            let found = pair.a.sendQueue.drain()
            #expect(found.map(\.identifier) == [2, 3])
            #expect(found.map(\.status) == [.localQueuePairOperationError, .flushError])
            pair.check()
            try reconnect(pair)
        }
        pair.end()
    }

    /// A wrong request behind one that the device was made to fail keeps to its own end.
    @Test func twoRefusals() throws {
        let pair = try HostPair()
        pair.adapter.behaviour.refusesSend = { $0.opcode == .fetchAndAdd }
        pair.adapter.behaviour.idleChance = 100
        let atomic = SendRequest.fetchAndAdd(1, into: pair.a.buffer.element(0, 8), at: pair.b.buffer)
        let foreign = SendRequest.write(pair.b.buffer.element(0, 8), to: pair.b.buffer)
        pair.a.queuePair.post(SendRequest.write(to: pair.b.buffer).unsignaled, atomic.numbered(2))
        for _ in 0..<5 { pair.endpoints[0].poll() }
        pair.a.queuePair.post(foreign.numbered(3), foreign.numbered(4))
        for _ in 0..<5 { pair.endpoints[0].poll() }
        pair.adapter.behaviour.idleChance = 0
        pair.settle()
        let found = pair.a.sendQueue.drain()
        #expect(found.map(\.identifier) == [2, 3, 4])
        #expect(found.map(\.status) == [.localQueuePairOperationError, .flushError, .flushError])
        pair.end()
    }

    @Test(arguments: layouts) func badReceive(layout: HostPair.Layout) throws {
        let pair = try HostPair(layout, capabilities: .init(receiveElements: 2))
        for (element, expected) in [
            (pair.b.buffer.element(0, 4), WorkCompletionStatus.localLengthError),
            (pair.a.buffer.element(0, 64), .localProtectionError),
        ] {
            pair.b.queuePair.postReceive(1, element)
            pair.b.queuePair.postReceive(2)
            let found = pair.run(.send(pair.a.buffer.element(0, 64)).unsignaled, .send())
            #expect(found.count == 2)
            #expect(found.last?.status == .flushError)
            #expect(pair.b.receiveQueue.drain().map(\.status) == [expected, .flushError])
            try reconnect(pair)
        }
        // More elements than the queue's: an error of this receive, in its turn.
        let place = pair.b.queuePair.receive.entry(1)
        pair.b.queuePair.postReceive(1, pair.b.buffer.element(0, 64))
        place.storeBytes(of: vrdma_receive_wqe(wr_id: 2, sge_count: 3, reserved: 0), as: vrdma_receive_wqe.self)
        pair.b.queuePair.publishReceive(2)
        let found = pair.run(.send(pair.a.buffer.element(0, 64)), .send(pair.a.buffer.element(0, 64)))
        #expect(found.map(\.status) == [.success, .remoteOperationError])
        let received = pair.b.receiveQueue.drain()
        #expect(received.map(\.identifier) == [1, 2])
        #expect(received.first?.status == .success)
        #expect(received.last?.status != .success)
        pair.end()
    }

    @Test(arguments: layouts) func remoteErrors(layout: HostPair.Layout) throws {
        let pair = try HostPair(layout)
        let element = pair.a.buffer.element(0, 8)
        var noRight = SendRequest.read(element, from: pair.b.buffer)
        noRight.remoteKey = try pair.b.register(64, access: [.localWrite]).key
        var unknown = SendRequest.write(element, to: pair.b.buffer)
        unknown.remoteKey ^= 0x100
        let beyond = SendRequest.write(element, to: pair.b.buffer, at: pair.b.buffer.count - 4)
        for request in [noRight, unknown, beyond] {
            expectRefusal(pair, .remoteAccessError, request)
            #expect(
                pair.b.context.takeAsyncEvents().filter { $0.type != .communicationEstablished }.map(\.type)
                    == [.queuePairAccessError])
            try reconnect(pair)
        }
        pair.end()
    }

    @Test func noPeerAndNoReceive() throws {
        let pair = try HostPair()
        #expect(
            pair.run(.send(pair.a.buffer.element(0, 8)), .send()).map(\.status)
                == [.receiverNotReadyRetryExceeded, .flushError])
        try reconnect(pair)
        try pair.b.queuePair.modify(.reset)
        #expect(pair.run(.write(to: pair.b.buffer), .send()).map(\.status) == [.retryExceeded, .flushError])
        pair.end()
    }

    /// The device itself refuses to take a request, or the adapter has no words for it.
    @Test(arguments: [true, false]) func refusedByTheDevice(isExpressible: Bool) throws {
        let pair = try HostPair()
        let isBad: (HostSendRequest) -> Bool = { $0.opcode == .fetchAndAdd }
        if isExpressible {
            pair.adapter.behaviour.refusesSend = isBad
        } else {
            pair.adapter.behaviour.cannotExpress = isBad
        }
        expectRefusal(
            pair, .localQueuePairOperationError,
            .fetchAndAdd(1, into: pair.a.buffer.element(0, 8), at: pair.b.buffer))
        #expect(pair.a.context.takeAsyncEvents().isEmpty)
        pair.end()
    }

    /// A device that takes nothing any more, also not what would tell when earlier requests are done.
    @Test func deviceTakesNothing() throws {
        let pair = try HostPair()
        pair.adapter.behaviour.refusesSend = { $0.index >= 1 }
        let write = SendRequest.write(to: pair.b.buffer)
        #expect(
            pair.run(write.unsignaled, write, write).map(\.status) == .init(repeating: .flushError, count: 3))
        #expect(pair.a.context.takeAsyncEvents().map(\.type) == [.queuePairFatal])
        try reconnect(pair)
        pair.adapter.behaviour.refusesSend = { _ in true }
        #expect(
            pair.run(write, write, write).map(\.status) == [.localQueuePairOperationError, .flushError, .flushError])
        try reconnect(pair)
        pair.adapter.behaviour.refusesSend = nil
        pair.adapter.behaviour.refusesReceive = { $0 == 2 }
        for identifier in 0..<5 { pair.a.queuePair.postReceive(UInt64(identifier)) }
        pair.settle()
        #expect(pair.a.receiveQueue.drain().map(\.identifier) == [0, 1, 2, 3, 4])
        #expect(pair.a.context.takeAsyncEvents().map(\.type) == [.queuePairFatal])
        pair.end()
    }

    /// Every other error of a device reaches the guest as it is.
    @Test(arguments: [WorkCompletionStatus.fatalError, .badResponseError, .localAccessError, .generalError])
    func deviceFails(status: WorkCompletionStatus) throws {
        let pair = try HostPair()
        pair.b.queuePair.postReceive(1, pair.b.buffer.element(0, 64))
        pair.adapter.behaviour.failNextRequest = status
        #expect(pair.run(.send().unsignaled, .send()).map(\.status) == [status, .flushError])
        pair.end()
    }

    @Test(arguments: layouts) func changeToErrorAndReset(layout: HostPair.Layout) throws {
        for next in [QueuePairState.error, .reset] {
            let pair = try HostPair(layout)
            for identifier in 0..<5 { pair.a.queuePair.postReceive(UInt64(identifier)) }
            pair.a.queuePair.post((0..<5).map { .send().numbered(UInt64($0)) })
            pair.endpoints[0].poll()
            try pair.a.queuePair.modify(next)
            pair.settle()
            let (sent, received) = (pair.a.sendQueue.drain(), pair.a.receiveQueue.drain())
            if next == .error {
                #expect(sent.map(\.identifier) == [0, 1, 2, 3, 4])
                #expect(sent.allSatisfy { $0.status == .flushError })
                #expect(received.map(\.identifier) == [0, 1, 2, 3, 4])
                pair.a.queuePair.post(.send())
                pair.settle()
                #expect(pair.a.sendQueue.drain().map(\.status) == [.flushError])
            } else {
                #expect(sent.isEmpty && received.isEmpty)
            }
            #expect(pair.a.context.takeAsyncEvents().isEmpty)
            try reconnect(pair)
            #expect(pair.run(.write(to: pair.b.buffer)).map(\.status) == [.success])
            pair.end()
        }
    }

    @Test func sendQueueDrained() throws {
        let pair = try HostPair()
        pair.b.queuePair.postReceive(1)
        #expect(pair.run(.send()).map(\.status) == [.success])
        var drain = pair.a.connection(to: pair.b).attributes(.sendQueueDrained, .enableSQDNotify)
        drain.enable_sqd_async_notify = 1
        try pair.a.queuePair.modify(drain)
        pair.settle()
        #expect(pair.a.context.takeAsyncEvents().map(\.type) == [.sendQueueDrained])
        #expect(try pair.a.queuePair.state() == .sendQueueDrained)
        #expect(try pair.a.queuePair.query().sq_draining == 0)
        // What is posted now waits.
        #expect(pair.run(.write(to: pair.b.buffer)).isEmpty)
        try pair.a.queuePair.modify(.readyToSend)
        pair.settle()
        #expect(pair.a.sendQueue.drain().map(\.status) == [.success])
        pair.end()
    }

    /// Indices that no library writes end this queue pair and nothing else.
    @Test(arguments: [129, 0x8000_0000, 0xffff_fffa] as [UInt32], [true, false])
    func garbageIndices(tail: UInt32, isSend: Bool) throws {
        let pair = try HostPair()
        #expect(pair.run(.write(to: pair.b.buffer)).count == 1)
        if isSend {
            pair.a.queuePair.publishSend(tail &+ 1)
        } else {
            pair.a.queuePair.publishReceive(tail)
        }
        pair.settle()
        #expect(pair.a.context.takeAsyncEvents().map(\.type) == [.queuePairFatal])
        #expect(pair.endpoints[0].violations.count == 1)
        #expect(try pair.a.queuePair.state() == .error)
        #expect(pair.adapter.state(ofNumber: pair.a.queuePair.number) == .reset)
        try reconnect(pair)
        #expect(pair.run(.write(to: pair.b.buffer)).map(\.status) == [.success])
        pair.end()
    }

    /// A tail that goes back, behind what was handed on but not completed.
    @Test func tailGoesBack() throws {
        let pair = try HostPair()
        pair.adapter.behaviour.idleChance = 100
        pair.a.queuePair.post(.send(), .send(), .send())
        for _ in 0..<5 { pair.endpoints[0].poll() }
        pair.a.queuePair.publishSend(1)
        for _ in 0..<5 { pair.endpoints[0].poll() }
        #expect(pair.a.context.takeAsyncEvents().map(\.type) == [.queuePairFatal])
        pair.end()
    }

    /// The same before the queue pair is connected.
    @Test func garbageBeforeConnection() throws {
        let pair = try HostPair(isConnected: false)
        try pair.a.queuePair.modify(pair.a.connection(to: pair.b).initialize)
        pair.a.queuePair.publishReceive(5000)
        #expect(throws: Errno.invalidArgument) {
            try pair.a.queuePair.modify(pair.a.connection(to: pair.b).readyToReceive)
        }
        pair.settle()
        #expect(try pair.a.queuePair.state() == .error)
        try reconnect(pair)
        #expect(pair.run(.write(to: pair.b.buffer)).map(\.status) == [.success])
        pair.end()
    }
}

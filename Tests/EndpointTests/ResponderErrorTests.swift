import CVRDMAABI
import Testing
import Verbs

@testable import Endpoint

/// Errors that the responder finds in a request for its memory: the requester completes with the reason, the responder
/// goes into ERR with an asynchronous event, and not a byte is touched (IBA vol. 1, 9.9.3, 9.7.5.2.4, 11.6.3;
/// ibv_get_async_event(3)).
struct ResponderErrorTests {
    enum Mistake: CaseIterable {
        case unknownKey
        case otherKeyPortion
        case otherProtectionDomain
        case beforeTheRegion
        case beyondTheRegion
        case aroundTheAddressSpace
        case noRight
        case deregistered
    }

    private static let oneSided: [WorkRequestOpcode] = [
        .rdmaWrite, .rdmaWriteWithImmediate, .rdmaRead, .compareAndSwap, .fetchAndAdd,
    ]

    private func request(
        _ mistake: Mistake, _ opcode: WorkRequestOpcode, _ pair: ConnectedPair
    ) throws -> SendRequest {
        let target = pair.b.buffer
        let good = SendRequest(opcode, [pair.a.buffer.element(0, opcode.isAtomic ? 8 : 64)]).at(target)
        switch mistake {
        case .unknownKey: return good.with { $0.remoteKey = 0x00ff_ff00 }
        case .otherKeyPortion: return good.with { $0.remoteKey ^= 1 }
        case .otherProtectionDomain:
            let other = try pair.b.context.allocateProtectionDomain()
            return good.at(try pair.b.context.register(64, protectionDomain: other))
        case .beforeTheRegion: return good.with { $0.remoteAddress = target.start - 8 }
        case .beyondTheRegion:
            // The last byte of the region is inside, the one behind it is not.
            let small = try pair.b.register(opcode.isAtomic ? 7 : 63)
            return good.at(small)
        case .aroundTheAddressSpace: return good.with { $0.remoteAddress = .max - 7 }
        case .noRight:
            let right: AccessFlags =
                opcode == .rdmaRead ? .remoteRead : opcode.isAtomic ? .remoteAtomic : .remoteWrite
            return good.at(try pair.b.register(64, access: SimulatedContext.everyAccess.subtracting(right)))
        case .deregistered:
            let gone = try pair.b.register(64)
            try pair.b.context.deregister(gone)
            return good.at(gone)
        }
    }

    private func expect(
        _ status: WorkCompletionStatus, _ event: AsyncEventType, _ pair: ConnectedPair, _ request: SendRequest,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        pair.a.buffer.write([UInt8](repeating: 0xaa, count: 64))
        pair.b.queuePair.postReceive(1, pair.b.buffer.element(0, 64))
        let before = pair.b.buffer.bytes
        let completions = pair.run(request.numbered(31).unsignaled)
        #expect(completions.map(\.status) == [status], sourceLocation: sourceLocation)
        #expect(completions.map(\.identifier) == [31], sourceLocation: sourceLocation)
        #expect(try pair.a.queuePair.state() == .error, sourceLocation: sourceLocation)
        #expect(pair.a.context.takeAsyncEvents().isEmpty, sourceLocation: sourceLocation)
        #expect(try pair.b.queuePair.state() == .error, sourceLocation: sourceLocation)
        #expect(
            pair.b.context.takeAsyncEvents() == [AsyncEvent(event, pair.b.queuePair.number)],
            sourceLocation: sourceLocation)
        // The receive that was not used is flushed.
        #expect(pair.b.receiveQueue.drain().map(\.status) == [.flushError], sourceLocation: sourceLocation)
        #expect(difference(pair.b.buffer.bytes, before) == nil, sourceLocation: sourceLocation)
        #expect(!pair.b.context.memory.contains(0xaa), sourceLocation: sourceLocation)
        #expect(pair.a.buffer.bytes(0..<64).allSatisfy { $0 == 0xaa }, sourceLocation: sourceLocation)
        Invariants.check(pair.endpoint, sourceLocation: sourceLocation)
    }

    @Test(arguments: Mistake.allCases, oneSided)
    func remoteAccess(mistake: Mistake, opcode: WorkRequestOpcode) throws {
        let pair = try ConnectedPair()
        try expect(.remoteAccessError, .queuePairAccessError, pair, request(mistake, opcode, pair))
    }

    /// What the responder's queue pair does not permit at all is an invalid request (IBA 9.7.5.2.4).
    @Test(arguments: oneSided)
    func rightsOfTheQueuePair(opcode: WorkRequestOpcode) throws {
        let right: AccessFlags = opcode == .rdmaRead ? .remoteRead : opcode.isAtomic ? .remoteAtomic : .remoteWrite
        var connection = Connection()
        connection.access.remove(right)
        let pair = try ConnectedPair(connectionOfB: connection)
        let request = SendRequest(opcode, [pair.a.buffer.element(0, 8)]).at(pair.b.buffer)
        try expect(.remoteInvalidRequestError, .queuePairRequestError, pair, request)
    }

    /// The other rights of the queue pair are not needed.
    @Test(arguments: oneSided)
    func justTheRight(opcode: WorkRequestOpcode) throws {
        var connection = Connection()
        connection.access = opcode == .rdmaRead ? .remoteRead : opcode.isAtomic ? .remoteAtomic : .remoteWrite
        let pair = try ConnectedPair(connectionOfB: connection)
        let target = try pair.b.register(64, access: connection.access.union(.localWrite))
        pair.b.queuePair.postReceive(1)
        #expect(pair.run(SendRequest(opcode, [pair.a.buffer.element(0, 8)]).at(target)).map(\.status) == [.success])
    }

    /// Rights may change while the queue pair works (IBA table 95: RTS to RTS).
    @Test func rightsThatChange() throws {
        let pair = try ConnectedPair()
        let request = SendRequest.write(pair.a.buffer.element(0, 8), to: pair.b.buffer)
        #expect(pair.run(request).map(\.status) == [.success])
        var connection = Connection()
        connection.access = .remoteRead
        try pair.b.queuePair.modify(connection.attributes(.readyToSend, .accessFlags))
        try expect(.remoteInvalidRequestError, .queuePairRequestError, pair, request)
    }

    /// A responder that keeps no resources for READs and atomics takes none.
    @Test(arguments: [WorkRequestOpcode.rdmaRead, .compareAndSwap, .fetchAndAdd])
    func noReadsAsResponder(opcode: WorkRequestOpcode) throws {
        var connection = Connection()
        connection.maxDestinationReadAtomic = 0
        let pair = try ConnectedPair(connectionOfB: connection)
        let request = SendRequest(opcode, [pair.a.buffer.element(0, 8)]).at(pair.b.buffer)
        try expect(.remoteInvalidRequestError, .queuePairRequestError, pair, request)
    }

    /// Atomics need an address that is a multiple of eight (IBA 9.4.5.1).
    @Test(arguments: [WorkRequestOpcode.compareAndSwap, .fetchAndAdd], 1..<8)
    func misalignedAtomic(opcode: WorkRequestOpcode, offset: Int) throws {
        let pair = try ConnectedPair()
        let request = SendRequest(opcode, [pair.a.buffer.element(0, 8)]).at(pair.b.buffer, offset)
        try expect(.remoteInvalidRequestError, .queuePairRequestError, pair, request)
    }

    /// A key of the requester's own guest is none of the responder's, whatever its number.
    @Test func keyOfTheWrongGuest() throws {
        let pair = try ConnectedPair()
        let own = try pair.a.register(64)
        try expect(
            .remoteAccessError, .queuePairAccessError, pair,
            SendRequest(.rdmaWrite, [pair.a.buffer.element(0, 8)]).at(own))
    }
}

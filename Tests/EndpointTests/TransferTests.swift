import CVRDMAABI
import Testing
import Verbs

/// Each operation once, byte by byte (IBA vol. 1, 9.4 and 10.7.2; ibv_post_send(3), ibv_poll_cq(3)).
struct TransferTests {
    private let pair: ConnectedPair
    private let data: [UInt8]
    private let size = 1000

    init() throws {
        pair = try ConnectedPair()
        var generator = SeededGenerator(seed: 1)
        data = generator.bytes(1000)
        pair.a.buffer.write(data)
    }

    private var b: RegisteredBuffer { pair.b.buffer }

    private func expectSuccess(
        _ completions: [Completion], _ opcode: WorkCompletionOpcode, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(completions.map(\.status) == [.success], sourceLocation: sourceLocation)
        #expect(completions.first?.opcode == opcode, sourceLocation: sourceLocation)
        #expect(completions.first?.queuePair == pair.a.queuePair.number, sourceLocation: sourceLocation)
        #expect(completions.first?.identifier == 77, sourceLocation: sourceLocation)
        Invariants.check(pair.endpoint, sourceLocation: sourceLocation)
    }

    @Test func write() {
        let completions = pair.run(.write(pair.a.buffer.element(0, size), to: b, at: 100).numbered(77))
        expectSuccess(completions, .rdmaWrite)
        #expect(difference(b.bytes(100..<100 + size), data) == nil)
        #expect(b.bytes(0..<100).allSatisfy { $0 == 0 })
        #expect(b.bytes(100 + size..<b.count).allSatisfy { $0 == 0 })
        #expect(pair.b.receiveQueue.poll() == nil)
    }

    @Test func writeWithImmediate() throws {
        // The receive's own elements are not used.
        pair.b.queuePair.postReceive(5, b.element(8000, 16))
        let request = SendRequest(.rdmaWriteWithImmediate, [pair.a.buffer.element(0, size)]).at(b).numbered(77)
        expectSuccess(pair.run(request.with { $0.immediate = 0x1234_5678 }), .rdmaWrite)
        #expect(difference(b.bytes(0..<size), data) == nil)
        #expect(b.bytes(8000..<8016).allSatisfy { $0 == 0 })
        let received = try #require(pair.b.receiveQueue.poll())
        #expect(received.identifier == 5)
        #expect(received.opcode == .receiveRDMAWithImmediate)
        #expect(received.byteLength == size)
        #expect(received.immediate == 0x1234_5678)
        #expect(received.queuePair == pair.b.queuePair.number)
    }

    @Test(arguments: [WorkRequestOpcode.send, .sendWithImmediate])
    func send(opcode: WorkRequestOpcode) throws {
        pair.b.queuePair.postReceive(6, b.element(0, 2000))
        let request = SendRequest(opcode, [pair.a.buffer.element(0, size)]).numbered(77)
        expectSuccess(pair.run(request.with { $0.immediate = 42 }), .send)
        #expect(difference(b.bytes(0..<size), data) == nil)
        #expect(b.bytes(size..<2000).allSatisfy { $0 == 0 })
        let received = try #require(pair.b.receiveQueue.poll())
        #expect(received.identifier == 6)
        #expect(received.status == .success)
        #expect(received.opcode == .receive)
        #expect(received.byteLength == size)
        #expect(received.immediate == (opcode == .send ? nil : 42))
    }

    @Test func read() {
        b.write(data.reversed(), at: 500)
        let completions = pair.run(.read(pair.a.buffer.element(4000, size), from: b, at: 500).numbered(77))
        expectSuccess(completions, .rdmaRead)
        #expect(completions.first?.byteLength == UInt32(size))
        #expect(difference(pair.a.buffer.bytes(4000..<4000 + size), data.reversed()) == nil)
        #expect(difference(pair.a.buffer.bytes(0..<size), data) == nil)
    }

    @Test func fetchAndAdd() {
        b.write(word: .max - 1, at: 64)
        let completions = pair.run(.fetchAndAdd(3, into: pair.a.buffer.element(2000, 8), at: b, 64).numbered(77))
        expectSuccess(completions, .fetchAndAdd)
        #expect(completions.first?.byteLength == 8)
        #expect(pair.a.buffer.word(at: 2000) == UInt64.max - 1)
        #expect(b.word(at: 64) == 1)
    }

    @Test(arguments: [true, false])
    func compareAndSwap(isEqual: Bool) {
        b.write(word: 17, at: 64)
        let request = SendRequest.compareAndSwap(isEqual ? 17 : 18, 99, into: pair.a.buffer.element(2000, 8), at: b, 64)
        expectSuccess(pair.run(request.numbered(77)), .compareAndSwap)
        #expect(pair.a.buffer.word(at: 2000) == 17)
        #expect(b.word(at: 64) == (isEqual ? 99 : 17))
    }

    @Test(arguments: [0, 1, 7, 8, 9, 511, 512])
    func inlineData(count: Int) {
        let bytes = Array(data.prefix(count))
        let request = SendRequest(.rdmaWrite).at(b, 3).with { $0.inlineData = bytes }
        #expect(pair.run(request).map(\.status) == [.success])
        #expect(difference(b.bytes(3..<3 + count), bytes) == nil)
        pair.b.queuePair.postReceive(1, b.element(4096, 512))
        #expect(pair.run(SendRequest(.send).with { $0.inlineData = bytes }).map(\.status) == [.success])
        #expect(difference(b.bytes(4096..<4096 + count), bytes) == nil)
        #expect(pair.b.receiveQueue.poll()?.byteLength == UInt32(count))
    }

    /// Inline data needs no memory region: what the entry holds is what is sent.
    @Test func inlineDataIsTakenFromTheEntry() {
        pair.a.queuePair.post(SendRequest(.rdmaWrite).at(b).with { $0.inlineData = [9, 8, 7] })
        pair.endpoint.settle()
        #expect(b.bytes(0..<3) == [9, 8, 7])
    }

    /// Requests of one queue pair take effect in the order in which they were posted (IBA 10.8.3.1).
    @Test func order() {
        let element = { self.pair.a.buffer.element($0 * 8, 8) }
        for index in 0..<100 { pair.a.buffer.write(word: UInt64(index), at: index * 8) }
        pair.a.queuePair.post((0..<100).map { .write(element($0), to: b).numbered(UInt64($0)) })
        pair.endpoint.settle()
        #expect(b.word(at: 0) == 99)
        #expect(pair.a.sendQueue.drain().map(\.identifier) == Array(0..<100))
    }

    /// A fenced request begins after earlier READs are complete (ibv_post_send(3), IBV_SEND_FENCE).
    @Test func fence() {
        b.write([1, 2, 3, 4])
        pair.a.queuePair.post(
            .read(pair.a.buffer.element(100, 4), from: b),
            .write(pair.a.buffer.element(100, 4), to: b, at: 200).with { $0.isFenced = true })
        pair.endpoint.settle()
        #expect(b.bytes(200..<204) == [1, 2, 3, 4])
    }

    /// A queue pair may be connected to another one of its own guest, and to itself.
    @Test func loopback() throws {
        let endpoint = SimulatedEndpoint()
        let guest = try endpoint.addGuest()
        let (one, other) = (try Application(guest), try Application(guest))
        try other.queuePair.connect(other.connection(to: one))
        try one.queuePair.connect(one.connection(to: other))
        let own = try Application(guest)
        try own.queuePair.connect(own.connection(to: own))
        for (from, to) in [(one, other), (own, own)] {
            from.buffer.write(data)
            to.queuePair.postReceive(1, to.buffer.element(2000, size))
            from.queuePair.post(.send(from.buffer.element(0, size)))
            endpoint.settle()
            #expect(from.sendQueue.drain().map(\.status) == [.success])
            #expect(to.receiveQueue.drain().map(\.status) == [.success])
            #expect(difference(to.buffer.bytes(2000..<2000 + size), data) == nil)
        }
    }

    /// The link-local address of a guest leads to it as well.
    @Test func linkLocalDestination() throws {
        let pair = try ConnectedPair(isConnected: false)
        var toB = pair.a.connection(to: pair.b)
        toB.destination = pair.b.guest.address.linkLocal
        try pair.b.queuePair.connect(pair.b.connection(to: pair.a))
        try pair.a.queuePair.connect(toB)
        #expect(pair.run(.write(pair.a.buffer.element(0, 8), to: pair.b.buffer)).map(\.status) == [.success])
    }
}

import CVRDMAABI
import Endpoint
import HostSimulation
import SharedMemory
import Tables
import Verbs

/// A program on a device of its own that knows nothing of endpoints: it uses numbers and keys as it was told them.
final class PlainPeer {
    let adapter: SimulatedHostAdapter
    let address: GID
    let number: UInt32
    let mapping: Mapping
    private(set) var localKey: UInt32 = 0
    private(set) var remoteKey: UInt32 = 0
    private var sendIndex: UInt32 = 0
    private var receiveIndex: UInt32 = 0
    private let completions = Block<HostCompletion>.allocate(count: 64, repeating: HostCompletion())

    static let start: UInt64 = 0x5000

    init(_ network: SimulatedNetwork, address: GID, seed: UInt64 = 99) throws {
        self.address = address
        adapter = try SimulatedHostAdapter(network: network, addresses: [address], seed: seed)
        mapping = try Mapping(name: "vrdma-test-plain", sizeBytes: 1 << 16)
        let domain = try adapter.createProtectionDomain()
        try adapter.createCompletionQueue(1, entryCount: 64)
        number = try adapter.createQueuePair(
            0,
            HostQueuePairShape(
                domain: domain, sendCompletionQueue: 1, receiveCompletionQueue: 1, sendEntries: 64, receiveEntries: 64,
                sendElements: 4, receiveElements: 4, inlineBytes: 64, signalsAll: false)
        ).rawValue
        adapter.beginRegistration(
            HostRegistration(
                domain: domain, start: Self.start, lengthBytes: 1 << 16,
                access: [.localWrite, .remoteRead, .remoteWrite, .remoteAtomic],
                pieces: [.init(mapping: mapping, offset: 0, lengthBytes: 1 << 16)]), token: 1)
        network.step()
        while let event = adapter.nextEvent() {
            guard case .registered(_, let memory) = event else { continue }
            (localKey, remoteKey) = (memory.localKey, memory.remoteKey)
        }
    }

    deinit {
        completions.deallocate()
    }

    /// From RESET to RTS.
    func connect(to number: UInt32, at destination: GID) throws(Errno) {
        var connection = Connection()
        connection.destination = destination
        connection.destinationNumber = number
        try adapter.modifyQueuePair(0, connection.initialize, source: address)
        try adapter.modifyQueuePair(0, connection.readyToReceive, source: address)
        try adapter.modifyQueuePair(0, connection.readyToSend, source: address)
    }

    func post(
        _ opcode: WorkRequestOpcode, at offset: Int, count: Int, remoteAddress: UInt64 = 0, remoteKey: UInt32 = 0,
        isSolicited: Bool = false
    ) {
        var request = HostSendRequest(index: sendIndex, opcode: opcode)
        request.isSignaled = true
        request.isSolicited = isSolicited
        request.remoteAddress = remoteAddress
        request.remoteKey = remoteKey
        let elements = self.elements(offset, count)
        request.elementCount = elements.count
        _ = adapter.appendSend(request, elements: elements)
        elements.deallocate()
        sendIndex += UInt32(adapter.postSends(0))
    }

    func postReceive(at offset: Int, count: Int) {
        let elements = self.elements(offset, count)
        _ = adapter.appendReceive(index: receiveIndex, elements: elements, elementCount: elements.count)
        elements.deallocate()
        receiveIndex += UInt32(adapter.postReceives(0))
    }

    private func elements(_ offset: Int, _ count: Int) -> Block<vrdma_sge> {
        .allocate(
            count: count == 0 ? 0 : 1,
            repeating: vrdma_sge(address: Self.start + UInt64(offset), length: UInt32(count), lkey: localKey))
    }

    /// All completions that are there.
    func drain() -> [HostCompletion] {
        let count = adapter.poll(into: completions, now: 0)
        return (0..<count).map { completions[$0] }
    }

    func bytes(_ range: Range<Int>) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: mapping.base + range.lowerBound, count: range.count))
    }

    func write(_ bytes: [UInt8], at offset: Int) {
        bytes.withUnsafeBytes {
            UnsafeMutableRawBufferPointer(start: mapping.base + offset, count: $0.count).copyMemory(from: $0)
        }
    }
}

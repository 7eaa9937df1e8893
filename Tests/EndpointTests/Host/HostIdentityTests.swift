import CVRDMAABI
import HostSimulation
import Testing
import Verbs

@testable import Endpoint

/// Numbers and keys are the device's own, so that programs which know nothing of endpoints can use them.
struct HostIdentityTests {
    @Test(arguments: [false, true])
    func equalTheDevices(hasSeparateKeys: Bool) throws {
        var behaviour = SimulatedBehaviour()
        behaviour.hasSeparateKeys = hasSeparateKeys
        let pair = try HostPair(behaviour: behaviour)
        for (side, adapter) in zip([pair.a, pair.b], pair.adapters) {
            #expect(adapter.state(ofNumber: side.queuePair.number) == .readyToSend)
            #expect(adapter.isReachable(side.buffer.key))
        }
        pair.end()
    }

    /// A region that no peer may reach has a key of some kind, too.
    @Test func keyOfMemoryThatIsNotRemote() throws {
        var behaviour = SimulatedBehaviour()
        behaviour.hasSeparateKeys = true
        let pair = try HostPair(behaviour: behaviour)
        // The local key of the device has the index of the buffer's own.
        pair.adapter.nextLocalKey = pair.a.buffer.key ^ 1
        let source = try pair.a.register(64, access: [.localWrite])
        #expect(source.key >> 8 != pair.a.buffer.key >> 8)
        source.write([1, 2, 3, 4])
        #expect(pair.run(.write(source.element(0, 4), to: pair.b.buffer)).map(\.status) == [.success])
        #expect(pair.b.buffer.bytes(0..<4) == [1, 2, 3, 4])
        pair.end()
    }

    @Test func plainPeer() throws {
        let pair = try HostPair(isConnected: false)
        let peer = try PlainPeer(pair.network, address: GID(ipv4: 0x0a00_0063))
        var connection = Connection(sourceIndex: 1)
        connection.destination = peer.address
        connection.destinationNumber = peer.number
        try pair.a.queuePair.connect(connection)
        try peer.connect(to: pair.a.queuePair.number, at: pair.a.guest.address)

        // Its requests, with the guest's number, key and addresses as they are.
        peer.write([UInt8](1...64), at: 0)
        pair.a.buffer.write([UInt8](repeating: 0x77, count: 64), at: 4096)
        pair.a.queuePair.postReceive(5, pair.a.buffer.element(512, 64))
        pair.settle()
        peer.post(.rdmaWrite, at: 0, count: 64, remoteAddress: pair.a.buffer.address(0), remoteKey: pair.a.buffer.key)
        peer.post(.send, at: 0, count: 64)
        peer.post(
            .rdmaRead, at: 1024, count: 64, remoteAddress: pair.a.buffer.address(4096), remoteKey: pair.a.buffer.key)
        pair.settle()
        #expect(peer.drain().map(\.status) == [0, 0, 0])
        #expect(pair.a.buffer.bytes(0..<64) == [UInt8](1...64))
        #expect(pair.a.buffer.bytes(512..<576) == [UInt8](1...64))
        #expect(peer.bytes(1024..<1088) == [UInt8](repeating: 0x77, count: 64))
        #expect(pair.a.receiveQueue.drain().map(\.byteLength) == [64])

        // The guest's requests, with the peer's number and key as they are.
        var write = SendRequest(.rdmaWrite, [pair.a.buffer.element(4096, 64)])
        (write.remoteAddress, write.remoteKey) = (PlainPeer.start + 2048, peer.remoteKey)
        peer.postReceive(at: 3072, count: 64)
        #expect(pair.run(write, .send(pair.a.buffer.element(0, 64))).map(\.status) == [.success, .success])
        #expect(peer.bytes(2048..<2112) == [UInt8](repeating: 0x77, count: 64))
        #expect(peer.bytes(3072..<3136) == [UInt8](1...64))
        pair.end()
    }

    /// A number that a queue pair of before the loss still has is given by the device again: another is asked for, since
    /// peers elsewhere reach the queue pair only by the device's number.
    @Test func numberThatIsTaken() throws {
        let pair = try HostPair(.oneEndpoint)
        let old = pair.a.queuePair.number
        pair.adapter.lose()
        pair.adapter.restore()
        pair.settle()
        pair.adapter.nextNumber = old
        let new = try pair.a.context.createQueuePair(
            protectionDomain: pair.a.protectionDomain, sendQueue: pair.a.sendQueue, receiveQueue: pair.a.receiveQueue)
        #expect(new.number != old)
        #expect(pair.endpoints[0].device.hostNumber(new) == new.number)
        let other = try pair.b.context.createQueuePair(
            protectionDomain: pair.b.protectionDomain, sendQueue: pair.b.sendQueue, receiveQueue: pair.b.receiveQueue)
        _ = pair.a.sendQueue.drain()
        var (toB, toA) = (pair.a.connection(to: pair.b), pair.b.connection(to: pair.a))
        (toB.destinationNumber, toA.destinationNumber) = (other.number, new.number)
        try new.connect(toB)
        try other.connect(toA)
        new.postReceive(1, pair.a.buffer.element(0, 8))
        other.post(.send(pair.b.buffer.element(64, 8)))
        pair.settle()
        #expect(pair.b.sendQueue.drain().map(\.status) == [.success])
        #expect(pair.a.receiveQueue.drain().map(\.queuePair) == [new.number])
        pair.end()
    }

    /// Keys that guests of this endpoint know from before the loss lead to the same memory afterwards.
    @Test(arguments: [false, true])
    func keysAfterTheReturn(hasSeparateKeys: Bool) throws {
        var behaviour = SimulatedBehaviour()
        behaviour.hasSeparateKeys = hasSeparateKeys
        let pair = try HostPair(.oneEndpoint, behaviour: behaviour)
        pair.adapter.lose()
        pair.adapter.restore()
        pair.adapter.nextKeyIndex += 50
        pair.settle()
        for side in [pair.a, pair.b] {
            #expect(!pair.adapter.isReachable(side.buffer.key))
            _ = side.sendQueue.drain()
            _ = side.receiveQueue.drain()
            #expect(throws: Errno.networkDown) {
                try side.queuePair.modify(.reset)
                try side.queuePair.connect(side.connection(to: side === pair.a ? pair.b : pair.a))
            }
        }
        let sides = try [pair.a, pair.b].map { side in
            try side.context.createQueuePair(
                protectionDomain: side.protectionDomain, sendQueue: side.sendQueue, receiveQueue: side.receiveQueue)
        }
        var (toB, toA) = (pair.a.connection(to: pair.b), pair.b.connection(to: pair.a))
        (toB.destinationNumber, toA.destinationNumber) = (sides[1].number, sides[0].number)
        try sides[0].connect(toB)
        try sides[1].connect(toA)
        pair.a.buffer.write([9, 8, 7])
        sides[0].post(
            .write(pair.a.buffer.element(0, 3), to: pair.b.buffer),
            .read(pair.a.buffer.element(16, 3), from: pair.b.buffer))
        pair.settle()
        #expect(pair.a.sendQueue.drain().map(\.status) == [.success, .success])
        #expect(pair.b.buffer.bytes(0..<3) == [9, 8, 7])
        #expect(pair.a.buffer.bytes(16..<19) == [9, 8, 7])
        pair.end()
    }

    /// A key that a region of before the loss has is given by the device again: another is asked for, since there cannot
    /// be two regions of one key.
    @Test func keyThatIsTaken() throws {
        let pair = try HostPair()
        pair.adapter.lose()
        pair.adapter.restore()
        pair.settle()
        pair.adapter.nextKeyIndex = pair.a.buffer.key >> 8
        let other = try pair.a.register(64)
        #expect(other.key >> 8 != pair.a.buffer.key >> 8)
        #expect(pair.adapter.isReachable(other.key))
        #expect(pair.adapter.memoryRegionCount == 2)
        pair.end()
    }
}

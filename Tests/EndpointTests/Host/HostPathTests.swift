import CVRDMAABI
import HostSimulation
import Testing
import Verbs

@testable import Endpoint

/// Which way a queue pair's requests take, and why there may be none.
struct HostPathTests {
    private func connection(_ destination: GID, sourceIndex: UInt8 = 1) -> Connection {
        var connection = Connection(sourceIndex: sourceIndex)
        connection.destination = destination
        connection.destinationNumber = 77
        return connection
    }

    @Test func guestsOfOneEndpoint() throws {
        let network = SimulatedNetwork()
        let adapter = try SimulatedHostAdapter(network: network, addresses: SimulatedEndpoint.addresses)
        let endpoint = SimulatedEndpoint(host: adapter)
        let (a, b) = (try Application(endpoint.addGuest()), try Application(endpoint.addGuest()))
        try b.queuePair.connect(b.connection(to: a))
        try a.queuePair.connect(a.connection(to: b))
        #expect(endpoint.device.path(a.queuePair) == .local)
        // The counterpart stays where it was.
        #expect(adapter.state(ofNumber: a.queuePair.number) == .initialized)
        a.buffer.write([1, 2, 3])
        a.queuePair.post(.write(a.buffer.element(0, 3), to: b.buffer))
        endpoint.settle()
        #expect(a.sendQueue.drain().map(\.status) == [.success])
        #expect(b.buffer.bytes(0..<3) == [1, 2, 3])
        // Without the device the local path goes on, also for new queue pairs.
        adapter.lose()
        endpoint.settle()
        a.queuePair.post(.write(a.buffer.element(0, 3), to: b.buffer, at: 8))
        endpoint.settle()
        #expect(a.sendQueue.drain().map(\.status) == [.success])
        for side in [a, b] { try side.queuePair.modify(.reset) }
        try b.queuePair.connect(b.connection(to: a))
        try a.queuePair.connect(a.connection(to: b))
        a.queuePair.post(.write(a.buffer.element(0, 3), to: b.buffer, at: 16))
        endpoint.settle()
        #expect(a.sendQueue.drain().map(\.status) == [.success])
        #expect(b.buffer.bytes(16..<19) == [1, 2, 3])
        Invariants.check(endpoint)
        #expect(adapter.violations == [])
    }

    @Test func localPathIsTurnedOff() throws {
        let pair = try HostPair(.oneEndpoint)
        #expect(pair.endpoints[0].device.path(pair.a.queuePair) == .host)
        #expect(pair.run(.write(pair.a.buffer.element(0, 8), to: pair.b.buffer)).map(\.status) == [.success])
        pair.end()
    }

    @Test func withoutAnAdapter() throws {
        let endpoint = SimulatedEndpoint()
        let application = try Application(endpoint.addGuest())
        #expect(throws: Errno.networkUnreachable) {
            try application.queuePair.connect(connection(GID(ipv4: 0x0a00_0063), sourceIndex: 0))
        }
        #expect(try application.queuePair.state() == .initialized)
    }

    @Test func withoutTheDevice() throws {
        let pair = try HostPair(isConnected: false)
        try pair.a.queuePair.modify(connection(pair.b.guest.address).initialize)
        pair.adapter.lose()
        #expect(throws: Errno.networkDown) {
            try pair.a.queuePair.modify(connection(pair.b.guest.address).readyToReceive)
        }
        pair.settle()
        // A queue pair that was made meanwhile stays without a path.
        let orphan = try pair.a.context.createQueuePair(
            protectionDomain: pair.a.protectionDomain, sendQueue: pair.a.sendQueue, receiveQueue: pair.a.receiveQueue)
        pair.adapter.restore()
        pair.settle()
        for queuePair in [orphan, pair.a.queuePair] {
            try queuePair.modify(.reset)
            #expect(throws: Errno.networkDown) { try queuePair.connect(connection(pair.b.guest.address)) }
        }
        pair.end()
    }

    @Test func addressThatTheDeviceLacks() throws {
        let pair = try HostPair(isConnected: false)
        let destination = pair.b.guest.address
        // The link-local address is none of the device's.
        #expect(throws: Errno.addressNotAvailable) {
            try pair.a.queuePair.connect(connection(destination, sourceIndex: 0))
        }
        #expect(pair.endpoints[0].hostLines.count == 1)
        pair.adapter.port.addresses = []
        #expect(throws: Errno.addressNotAvailable) {
            try pair.a.queuePair.modify(connection(destination).readyToReceive)
        }
        pair.adapter.port.addresses = [pair.a.guest.address]
        try pair.a.queuePair.modify(connection(destination).readyToReceive)
        pair.end()
    }

    /// What the device says of a change is what the guest is told, and nothing has changed.
    @Test func deviceRefusesAChange() throws {
        let pair = try HostPair(isConnected: false)
        pair.a.queuePair.postReceive(1, pair.a.buffer.element(0, 64))
        try pair.a.queuePair.modify(pair.a.connection(to: pair.b).initialize)
        pair.adapter.behaviour.failNextModify = .timedOut
        #expect(throws: Errno.timedOut) { try pair.a.queuePair.modify(pair.a.connection(to: pair.b).readyToReceive) }
        #expect(try pair.a.queuePair.state() == .initialized)
        #expect(pair.endpoints[0].device.path(pair.a.queuePair) == QueuePair.Path.none)
        pair.check()
        // The next try works, and the receive that was posted before is handed on once.
        try pair.b.queuePair.connect(pair.b.connection(to: pair.a))
        try pair.a.queuePair.modify(pair.a.connection(to: pair.b).readyToReceive)
        pair.b.queuePair.post(.send(pair.b.buffer.element(0, 16)))
        pair.settle()
        #expect(pair.a.receiveQueue.drain().map(\.byteLength) == [16])
        pair.end()
    }
}

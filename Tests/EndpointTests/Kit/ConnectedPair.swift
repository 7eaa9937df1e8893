import CVRDMAABI
import Endpoint
import HostSimulation
import Testing
import Verbs

/// An application with one of everything.
final class Application {
    let guest: SimulatedGuest
    let context: SimulatedContext
    let protectionDomain: UInt32
    let sendQueue: SimulatedCompletionQueue
    let receiveQueue: SimulatedCompletionQueue
    let queuePair: SimulatedQueuePair
    let buffer: RegisteredBuffer

    init(
        _ guest: SimulatedGuest, capabilities: SimulatedQueuePair.Capabilities = .init(), bufferBytes: Int = 1 << 16,
        queueEntries: UInt32 = 256, memoryBytes: Int = 4 << 20
    ) throws {
        self.guest = guest
        context = try guest.openContext(memoryBytes: memoryBytes + bufferBytes)
        protectionDomain = try context.allocateProtectionDomain()
        sendQueue = try context.createCompletionQueue(entries: queueEntries)
        receiveQueue = try context.createCompletionQueue(entries: queueEntries)
        queuePair = try context.createQueuePair(
            capabilities, protectionDomain: protectionDomain, sendQueue: sendQueue, receiveQueue: receiveQueue)
        buffer = try context.register(bufferBytes, protectionDomain: protectionDomain, alignment: 4096)
    }

    /// A memory region of its own protection domain.
    func register(
        _ sizeBytes: Int, access: AccessFlags = SimulatedContext.everyAccess
    ) throws -> RegisteredBuffer {
        try context.register(sizeBytes, protectionDomain: protectionDomain, access: access)
    }

    /// The attributes that lead to `peer`.
    func connection(to peer: Application, _ base: Connection = Connection()) -> Connection {
        var connection = base
        // Of the two addresses of a guest, the devices of tests have the second one only.
        if guest.endpoint.host != nil { connection.sourceIndex = 1 }
        connection.destination = peer.guest.address
        connection.destinationNumber = peer.queuePair.number
        return connection
    }
}

/// Two applications of two guests, connected and ready to send.
struct ConnectedPair {
    let endpoint: SimulatedEndpoint
    let a: Application
    let b: Application

    /// - Parameters:
    ///   - isConnected: false leaves both queue pairs in RESET.
    ///   - host: both reach each other through a device that behaves so.
    init(
        limits: DeviceLimits = DeviceLimits(), capabilities: SimulatedQueuePair.Capabilities = .init(),
        bufferBytes: Int = 1 << 16, queueEntries: UInt32 = 256, connectionOfA: Connection = Connection(),
        connectionOfB: Connection = Connection(), isConnected: Bool = true, host: SimulatedBehaviour? = nil,
        seed: UInt64 = 1
    ) throws {
        let adapter = try host.map {
            try SimulatedHostAdapter(
                network: SimulatedNetwork(), addresses: SimulatedEndpoint.addresses, seed: seed, behaviour: $0)
        }
        endpoint = SimulatedEndpoint(limits: limits, host: adapter, usesLocalPath: false)
        a = try Application(
            endpoint.addGuest(), capabilities: capabilities, bufferBytes: bufferBytes, queueEntries: queueEntries)
        b = try Application(
            endpoint.addGuest(), capabilities: capabilities, bufferBytes: bufferBytes, queueEntries: queueEntries)
        guard isConnected else { return }
        try b.queuePair.connect(b.connection(to: a, connectionOfB))
        try a.queuePair.connect(a.connection(to: b, connectionOfA))
    }

    /// Both queue pairs back to RESET and connected again, with empty completion queues.
    func reconnect(connectionOfA: Connection = Connection(), connectionOfB: Connection = Connection()) throws {
        for side in [a, b] {
            try side.queuePair.modify(.reset)
            endpoint.settle()
            _ = side.sendQueue.drain()
            _ = side.receiveQueue.drain()
            _ = side.context.takeAsyncEvents()
        }
        try b.queuePair.connect(b.connection(to: a, connectionOfB))
        try a.queuePair.connect(a.connection(to: b, connectionOfA))
    }

    /// Posts on side A, waits until it is quiet, returns A's send completions.
    func run(_ requests: SendRequest...) -> [Completion] {
        a.queuePair.post(requests)
        endpoint.settle()
        return a.sendQueue.drain()
    }
}

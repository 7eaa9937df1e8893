import CVRDMAABI
import Testing
import Verbs

@testable import Endpoint

/// Guests and contexts that hold equal numbers, and try each other's (docs/threat-model.md).
struct IsolationTests {
    /// Numbers and keys are per guest: the same ones of two guests lead to different things, by the destination address.
    @Test func equalNumbersAndKeys() throws {
        let endpoint = SimulatedEndpoint()
        let applications = try (0..<4).map { _ in try Application(endpoint.addGuest()) }
        #expect(Set(applications.map(\.queuePair.number)).count == 1)
        #expect(Set(applications.map(\.buffer.key)).count == 1)
        #expect(Set(applications.map(\.buffer.start)).count == 1)
        for (one, other) in [(0, 1), (1, 0), (2, 3), (3, 2)] {
            let side = applications[one]
            side.buffer.write([UInt8](repeating: UInt8(one + 1), count: 100))
            try side.queuePair.connect(side.connection(to: applications[other]))
        }
        for (one, other) in [(0, 1), (3, 2)] {
            let target = applications[other].buffer
            applications[one].queuePair.post(.write(applications[one].buffer.element(0, 50), to: target))
        }
        endpoint.settle()
        let expected: [(UInt8, UInt8)] = [(1, 1), (1, 2), (4, 3), (4, 4)]
        for (application, bytes) in zip(applications, expected) {
            #expect(application.buffer.bytes(0..<50).allSatisfy { $0 == bytes.0 })
            #expect(application.buffer.bytes(50..<100).allSatisfy { $0 == bytes.1 })
        }
        Invariants.check(endpoint)
    }

    /// A queue pair answers only the one that it is connected to, whatever a stranger does.
    @Test func strangers() throws {
        let pair = try ConnectedPair()
        let stranger = try Application(pair.endpoint.addGuest())
        let before = pair.b.buffer.bytes
        var connection = stranger.connection(to: pair.b)
        connection.timeout = 1
        try stranger.queuePair.connect(connection)
        for opcode in WorkRequestOpcode.allCases {
            pair.b.queuePair.postReceive()
            stranger.queuePair.post(SendRequest(opcode, [stranger.buffer.element(0, 8)]).at(pair.b.buffer))
            pair.endpoint.advance(nanoseconds: 1_000_000)
            #expect(stranger.sendQueue.drain().map(\.status) == [.retryExceeded])
            try stranger.queuePair.modify(.reset)
            try stranger.queuePair.connect(connection)
        }
        #expect(difference(pair.b.buffer.bytes, before) == nil)
        #expect(pair.b.receiveQueue.drain().isEmpty)
        #expect(try pair.b.queuePair.state() == .readyToSend)
        #expect(pair.run(.write(pair.a.buffer.element(0, 8), to: pair.b.buffer)).map(\.status) == [.success])
    }

    /// One guest's numbers, keys and handles mean nothing in the commands of another, nor of another context.
    @Test(arguments: [true, false])
    func foreignHandles(isOtherGuest: Bool) throws {
        let endpoint = SimulatedEndpoint()
        let guest = try endpoint.addGuest()
        let owner = try Application(guest)
        let channel = try owner.context.createChannel()
        let memory = try owner.context.attach(sizeBytes: 4096)
        // The intruder has one object less of everything, so that equal handles do not hide the mistake.
        let intruder = try (isOtherGuest ? endpoint.addGuest() : guest).openContext()
        let domain = try intruder.allocateProtectionDomain()
        let foreignQueuePair = try owner.context.createQueuePair(
            protectionDomain: owner.protectionDomain, sendQueue: owner.sendQueue, receiveQueue: owner.receiveQueue)

        func expectRefused(
            _ opcode: vrdma_opcode, _ handle: UInt32, sourceLocation: SourceLocation = #_sourceLocation
        ) {
            #expect(throws: Errno.invalidArgument, sourceLocation: sourceLocation) {
                try intruder.command(opcode, handle: handle)
            }
        }
        expectRefused(VRDMA_OP_DESTROY_QP, foreignQueuePair.number)
        expectRefused(VRDMA_OP_QUERY_QP, foreignQueuePair.number)
        expectRefused(VRDMA_OP_DEREG_MR, owner.buffer.key)
        expectRefused(VRDMA_OP_DESTROY_CQ, owner.sendQueue.handle)
        if !isOtherGuest {
            expectRefused(VRDMA_OP_DEALLOC_PD, owner.protectionDomain)
            expectRefused(VRDMA_OP_DETACH_REGION, memory.region)
        }
        expectRefused(VRDMA_OP_DESTROY_COMP_CHANNEL, channel.handle)
        #expect(throws: Errno.invalidArgument) {
            var attributes = vrdma_qp_attributes()
            (attributes.attribute_mask, attributes.qp_state) = (1, QueuePairState.error.rawValue)
            try intruder.command(
                VRDMA_OP_MODIFY_QP,
                vrdma_modify_qp_command(qp_number: foreignQueuePair.number, reserved: 0, attributes: attributes))
        }
        let own = try intruder.createCompletionQueue()
        // As parts of new objects.
        #expect(throws: Errno.invalidArgument) {
            try intruder.createQueuePair(protectionDomain: domain, sendQueue: owner.sendQueue, receiveQueue: own)
        }
        #expect(throws: Errno.invalidArgument) {
            try intruder.createQueuePair(protectionDomain: domain, sendQueue: own, receiveQueue: owner.receiveQueue)
        }
        #expect(throws: Errno.invalidArgument) {
            try intruder.createQueuePair(protectionDomain: domain + 100, sendQueue: own, receiveQueue: own)
        }
        if !isOtherGuest {
            #expect(throws: Errno.invalidArgument) {
                try intruder.register([.init(memory: memory, offset: 0, length: 64)], protectionDomain: domain)
            }
            #expect(throws: Errno.invalidArgument) {
                try intruder.createCompletionQueue(
                    vrdma_create_cq_command(
                        queue: memory.name(0), entries: 1, comp_channel: 0, slot: 0, reserved: 0))
            }
        }
        #expect(throws: Errno.invalidArgument) { try intruder.createCompletionQueue(channel: channel) }
        #expect(try foreignQueuePair.state() == .reset)
        Invariants.check(endpoint)
    }

    /// A context of another guest cannot be commanded, nor one that is closed.
    @Test func foreignContexts() throws {
        let endpoint = SimulatedEndpoint()
        let (one, other) = (try endpoint.addGuest(), try endpoint.addGuest())
        let context = try one.openContext()
        #expect(throws: Errno.invalidArgument) {
            try other.command(VRDMA_OP_ALLOC_PD, context: context.handle)
        }
        #expect(throws: Errno.invalidArgument) {
            try other.command(VRDMA_OP_CLOSE_CONTEXT, context: context.handle)
        }
        try context.close()
        #expect(throws: Errno.invalidArgument) { try context.allocateProtectionDomain() }
        #expect(throws: Errno.invalidArgument) { try context.close() }
        for handle in [UInt32(0), 99, .max] {
            #expect(throws: Errno.invalidArgument) { try one.command(VRDMA_OP_ALLOC_PD, context: handle) }
        }
    }

    /// A memory key of one context of a guest, with its protection domain's number, is no good in another.
    @Test func keysOfAnotherContext() throws {
        let endpoint = SimulatedEndpoint()
        let guest = try endpoint.addGuest()
        let (one, other) = (try Application(guest), try Application(guest))
        try one.queuePair.connect(one.connection(to: other))
        try other.queuePair.connect(other.connection(to: one))
        #expect(one.buffer.key != other.buffer.key)
        // As a local key.
        one.queuePair.post(.write(other.buffer.element(0, 8), to: other.buffer))
        endpoint.settle()
        #expect(one.sendQueue.drain().map(\.status) == [.localProtectionError])
    }

    /// The guest of an address is who has it: after a guest left, its address may be another's.
    @Test func addressThatIsUsedAgain() throws {
        let pair = try ConnectedPair()
        let address = pair.b.guest.address
        pair.b.guest.remove()
        let successor = try Application(pair.endpoint.addGuest(name: "successor", address: address))
        // Connected to A as its predecessor was, but nobody told it A's PSN.
        var connection = successor.connection(to: pair.a)
        connection.receivePSN = 1234
        try successor.queuePair.connect(connection)
        pair.a.queuePair.post(.write(pair.a.buffer.element(0, 8), to: successor.buffer))
        pair.endpoint.advance(nanoseconds: 10_000_000_000)
        #expect(pair.a.sendQueue.drain().map(\.status) == [.retryExceeded])
        #expect(try successor.queuePair.state() == .readyToSend)
    }

    @Test func namesAndAddresses() throws {
        let endpoint = SimulatedEndpoint()
        let address = GID(ipv4: 0x0a01_0101)
        let first = try endpoint.addGuest(name: "one", address: address)
        #expect(throws: Errno.alreadyExists) { try endpoint.addGuest(name: "one", address: GID(ipv4: 7)) }
        #expect(throws: Errno.addressInUse) { try endpoint.addGuest(name: "two", address: address) }
        #expect(throws: Errno.addressInUse) { try endpoint.addGuest(name: "two", address: address.linkLocal) }
        #expect(throws: Errno.invalidArgument) { try endpoint.addGuest(name: "two", address: .zero) }
        let multicast = try #require(GID("ff02::1"))
        #expect(throws: Errno.invalidArgument) { try endpoint.addGuest(name: "two", address: multicast) }
        first.remove()
        _ = try endpoint.addGuest(name: "one", address: address)
        #expect(endpoint.device.guestCount == 1)
    }
}

import Testing
import VRDMA

extension IntegrationTests {
    /// Calls that the module or the device refuses, with texts that name the limit.
    @Suite struct ControlErrorTests {
        private func failure(_ body: () throws -> Void) -> VerbsError? {
            #expect(throws: VerbsError.self) { try body() }
        }

        @Test func sizesOutOfRange() throws {
            let installation = try Installation()
            let device = try installation.open("a")
            let domain = try ProtectionDomain(device)
            let limit = device.attributes.maxCompletionQueueEntries
            for capacity in [0, -1, Int(limit) + 1, .max] {
                let error = failure { _ = try CompletionQueue(device, capacity: capacity) }
                #expect(error?.code == .invalidArgument)
                #expect(error?.reason == "the device offers 1 to \(limit) entries")
            }
            let queue = try CompletionQueue(device)
            for requests in [-1, Int(device.attributes.maxWorkRequests) + 1, .max] {
                let error = failure {
                    _ = try QueuePair(
                        domain, sendCompletionQueue: queue,
                        capabilities: QueuePair.Capabilities(maxSendRequests: requests))
                }
                #expect(error?.reason.hasPrefix("maxSendRequests is \(requests)") == true)
            }
            for size in [0, -1, .min, .max] {
                #expect(failure { _ = try RegisteredBuffer(domain, byteCount: size) } != nil)
            }
            let buffer = try RegisteredBuffer(domain, byteCount: 100)
            for range in [0..<0, -1..<5, 0..<101, 100..<101] {
                let error = failure { _ = try MemoryRegion(domain, of: buffer, range: range, access: .localWrite) }
                #expect(error?.code == .invalidArgument)
            }
            let rights = failure { _ = try RegisteredBuffer(domain, byteCount: 8, access: .remoteWrite) }
            #expect(rights?.reason.contains("need localWrite") == true)
        }

        @Test func objectsOfAnotherDevice() throws {
            let installation = try Installation()
            let device = try installation.open("a")
            let other = try installation.open("a")
            let domain = try ProtectionDomain(device)
            let foreign = try CompletionQueue(other)
            #expect(
                failure { _ = try QueuePair(domain, sendCompletionQueue: foreign) }?.code == .invalidArgument)
            let channel = try CompletionChannel(other)
            #expect(
                failure { _ = try CompletionQueue(device, notification: .channel(channel)) }?.code
                    == .invalidArgument)
        }

        @Test func limitsNameTheirKey() throws {
            let installation = try Installation { configuration in
                configuration.limits.queuePairs = 2
                configuration.limits.protectionDomains = 3
                configuration.limits.completionQueues = 2
                configuration.limits.memoryRegions = 2
            }
            let device = try installation.open("a")
            let domains = try (0..<3).map { _ in try ProtectionDomain(device) }
            let domain = failure { _ = try ProtectionDomain(device) }
            #expect(domain?.code == .outOfMemory && domain?.reason.contains("at most 3 protection domains") == true)
            var queues = try (0..<2).map { _ in try CompletionQueue(device) }
            #expect(failure { _ = try CompletionQueue(device) }?.reason.contains("'completion-queues'") == true)
            let pairs = try (0..<2).map { _ in try QueuePair(domains[0], sendCompletionQueue: queues[0]) }
            let pair = failure { _ = try QueuePair(domains[0], sendCompletionQueue: queues[0]) }
            #expect(pair?.code == .outOfMemory && pair?.reason.contains("at most 2 queue pairs") == true)
            var buffers = try (0..<2).map { _ in try RegisteredBuffer(domains[0], byteCount: 8) }
            #expect(failure { _ = try RegisteredBuffer(domains[0], byteCount: 8) }?.code == .outOfMemory)
            // What is released makes room.
            buffers.removeLast()
            _ = try RegisteredBuffer(domains[0], byteCount: 8)
            queues.removeLast()
            _ = try CompletionQueue(device)
            #expect(pairs.count == 2)
        }

        @Test func transitionsThatThereAreNot() throws {
            let installation = try Installation()
            let side = try Side(installation.open("a"))
            let error = failure { try side.queuePair.modify(QueuePairAttributes(state: .readyToSend)) }
            #expect(error?.code == .invalidArgument && error?.operation.hasSuffix("in state RESET") == true)
            try side.queuePair.initialize()
            let nowhere = QueuePair.Endpoint(
                address: GID(ipv4: 0x0a0a_0a0a), number: QueuePairNumber(rawValue: 1),
                psn: PacketSequenceNumber(rawValue: 0))
            let unreachable = failure { try side.queuePair.connect(to: nowhere) }
            #expect(unreachable?.code == .networkUnreachable)
            #expect(unreachable?.reason.contains("10.10.10.10") == true)
            #expect(side.queuePair.state == .initialized)
        }

        @Test func everyAttributeComesBack() throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let attributes = try pair.first.queuePair.query()
            #expect(attributes.state == .readyToSend)
            #expect(attributes.destination == pair.second.queuePair.number)
            #expect(attributes.path?.destination == pair.second.device.address)
            #expect(attributes.receivePSN == pair.second.queuePair.initialPSN)
            #expect(attributes.sendPSN == pair.first.queuePair.initialPSN)
            #expect(attributes.mtu == .bytes4096 && attributes.timeout == 14 && attributes.retryCount == 7)
            #expect(attributes.access == [.localWrite, .remoteWrite, .remoteRead, .remoteAtomic])
        }
    }
}

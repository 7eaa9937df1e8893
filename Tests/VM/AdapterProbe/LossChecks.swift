import CVRDMAABI
import Endpoint
import Glibc
import LinuxIO
import SharedMemory
import Verbs
import VerbsAdapter

extension AdapterProbe {
    /// Runs a command beside, and tells how long it took.
    private static func beside(_ command: String) throws -> BackgroundThread {
        try BackgroundThread(name: "command") {
            let before = MonotonicClock.nowNanoseconds
            let status = system(command)
            say("  \(command): status \(status), \((MonotonicClock.nowNanoseconds - before) / 1_000_000) ms")
        }
    }

    private static func isSleepy(_ bench: Bench) -> Bool { bench.adapter.prepareToSleep() }

    static func loss(_ bench: Bench) throws {
        let pair = try Pair(bench)
        let buffer = try bench.buffer(1 << 20)
        let files = try (0..<2).map { _ in try Mapping(name: "piece", sizeBytes: 4096) }
        _ = try bench.register(files.map { .init(mapping: $0, offset: 0, lengthBytes: 4096) }, start: 0)
        for index in 0..<8 { try expect(bench.postReceive(pair.b, index: UInt32(index)), "receive not taken") }
        while !isSleepy(bench) { bench.turn() }

        let before = MonotonicClock.nowNanoseconds
        let deletion = try beside("rdma link delete \(bench.deviceName)")
        var descriptor = pollfd(fd: bench.adapter.eventDescriptor.rawValue, events: Int16(POLLIN), revents: 0)
        try expect(poll(&descriptor, 1, 20_000) == 1, "the end of the device woke nobody")
        try bench.waitForEvent("loss") { $0 == .lost }
        say("  told of the loss after \((MonotonicClock.nowNanoseconds - before) / 1_000_000) ms")
        deletion.join()
        try expect(!bench.adapter.isAvailable && !bench.adapter.port.isActive, "still available")
        do {
            _ = try bench.adapter.createProtectionDomain()
            throw Failure("a domain without a device")
        } catch let error as Errno {
            try expect(error == .noSuchDevice, "\(error)")
        }
        try expect(!bench.postReceive(pair.b, index: 9), "a receive was taken")
        try bench.deregister(buffer.memory)
        do {
            _ = try bench.buffer(4096)
            throw Failure("registered without a device")
        } catch let error as Errno {
            try expect(error == .noSuchDevice, "\(error)")
        }
        for _ in 0..<100 { bench.turn() }
        try expect(bench.adapter.prepareToSleep(), "no sleep while the device is away")
        try expect(bench.adapter.nextDeadlineNanoseconds != nil, "no deadline while the device is away")

        try awaitReturn(bench)
        let again = try Bench(device: bench.deviceName, address: bench.address)
        try operations(again)
        // The same adapter, too.
        try Self.useAgain(bench)
    }

    private static func awaitReturn(_ bench: Bench) throws {
        let before = MonotonicClock.nowNanoseconds
        try beside("rdma link add \(bench.deviceName) type rxe netdev eth0").join()
        try bench.waitForEvent("return") { $0 == .available }
        say("  told of the return after \((MonotonicClock.nowNanoseconds - before) / 1_000_000) ms")
        try expect(bench.adapter.isAvailable, "not available")
        try bench.wait("address") { bench.adapter.hasAddress(bench.address) && bench.adapter.port.isActive }
    }

    private static func useAgain(_ bench: Bench) throws {
        let domain = try bench.adapter.createProtectionDomain()
        try bench.adapter.createCompletionQueue(0, entryCount: 16)
        var shape = bench.shape(0)
        shape.domain = domain
        let number = try bench.adapter.createQueuePair(0, shape)
        try Pair.connect(bench, 0, to: number)
        try expect(bench.postReceive(0, index: 0), "receive not taken")
        var request = HostSendRequest(index: 0, opcode: .send)
        request.isSignaled = true
        try expect(bench.post(0, request), "SEND not taken")
        let both = [try bench.nextCompletion(), try bench.nextCompletion()]
        try expect(both.allSatisfy { $0.status == 0 }, "\(both)")
    }

    static func lossWhileRegistering(_ bench: Bench) throws {
        let mapping = try Mapping(name: "large", sizeBytes: 256 << 20)
        // Pages that are there take the kernel longer than holes.
        memset(mapping.base, 1, mapping.sizeBytes)
        let pair = try Pair(bench)
        for index in 0..<8 { try expect(bench.postReceive(pair.b, index: UInt32(index)), "receive not taken") }
        // A change towards nobody is under way, too.
        let lonely = try bench.queuePair(bench.shape(pair.queue))
        try Pair.initialize(bench, lonely.index)
        bench.adapter.beginModification(
            lonely.index, Pair.receiveAttributes(bench, lonely.number, destination: GID(ipv4: 0x0a09_004f)),
            source: bench.address, token: 1 << 40)
        var tokens: Set<UInt64> = []
        for _ in 0..<16 {
            tokens.insert(
                bench.beginRegistration(
                    [.init(mapping: mapping, offset: 0, lengthBytes: UInt64(mapping.sizeBytes))], start: 0))
        }
        let deletion = try beside("rdma link delete \(bench.deviceName)")
        try bench.wait("loss and all answers", seconds: 60) {
            let answered = bench.events.reduce(into: 0) { count, event in
                switch event {
                case .registered, .registrationFailed: count += 1
                default: break
                }
            }
            return answered == tokens.count && bench.events.contains(.lost)
        }
        let failed = bench.events.filter { if case .registrationFailed(_, .noSuchDevice) = $0 { true } else { false } }
        say(
            "  \(failed.count) of \(tokens.count) registrations failed; the loss is event \(bench.events.firstIndex(of: .lost) ?? -1)"
        )
        deletion.join()
        _ = bench.takeEvents()
        try awaitReturn(bench)
    }
}

extension AdapterProbe {
    /// What an administrator is told.
    static func refusals(_ bench: Bench) throws {
        for (device, port) in [("no-such-device", 1), (bench.deviceName, 2), (bench.deviceName, 0)] {
            do {
                _ = try VerbsAdapter(deviceName: device, port: port)
                throw Failure("taken: \(device), port \(port)")
            } catch let error as VerbsAdapterError {
                say("  \(error)")
            }
        }
    }

    /// Somebody else takes the device away, and brings it back.
    static func watch(_ bench: Bench) throws {
        say("  ready; next look \(bench.adapter.nextDeadlineNanoseconds == nil ? "when told" : "by the clock")")
        let queue = try bench.queue()
        _ = try bench.queuePair(bench.shape(queue))
        for expected in [HostEvent.lost, .available] {
            let end = MonotonicClock.nowNanoseconds + 20_000_000_000
            while !bench.hasEvent(expected) {
                bench.turn()
                let now = MonotonicClock.nowNanoseconds
                try expect(now < end, "no \(expected)")
                guard bench.adapter.prepareToSleep() else { continue }
                let wake = min(bench.adapter.nextDeadlineNanoseconds ?? end, end)
                var descriptor = pollfd(fd: bench.adapter.eventDescriptor.rawValue, events: Int16(POLLIN), revents: 0)
                _ = poll(&descriptor, 1, wake > now ? Int32((wake - now) / 1_000_000) + 1 : 0)
            }
            say("  \(expected)")
        }
    }
}

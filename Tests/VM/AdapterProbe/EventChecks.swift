import CVRDMAABI
import Endpoint
import Glibc
import LinuxIO
import SharedMemory
import Verbs

extension AdapterProbe {
    private static func send(_ bench: Bench, _ pair: Pair, index: UInt32, solicited: Bool) throws {
        var request = HostSendRequest(index: index, opcode: .send)
        request.isSignaled = true
        request.isSolicited = solicited
        try expect(bench.post(pair.a, request), "SEND not taken")
    }

    private static func isReadable(_ bench: Bench, milliseconds: Int32) -> Bool {
        var descriptor = pollfd(fd: bench.adapter.eventDescriptor.rawValue, events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, milliseconds) == 1
    }

    private static func fallAsleep(_ bench: Bench) throws {
        for _ in 0..<1000 {
            bench.turn()
            if bench.adapter.prepareToSleep() { return }
        }
        throw Failure("no sleep")
    }

    static func solicitedEvents(_ bench: Bench) throws {
        let pair = try Pair(bench)
        for index in 0..<8 { try expect(bench.postReceive(pair.b, index: UInt32(index)), "receive not taken") }
        try bench.adapter.requestSolicitedEvent(pair.receiveQueue)
        bench.turn()
        try send(bench, pair, index: 0, solicited: false)
        _ = try (bench.nextCompletion(), bench.nextCompletion())
        for _ in 0..<2000 { bench.turn() }
        try expect(bench.takeEvents().isEmpty, "an event for a completion that was not solicited")
        try send(bench, pair, index: 1, solicited: true)
        let event = HostEvent.solicited(queue: pair.receiveQueue)
        try bench.waitForEvent("solicited event") { $0 == event }
        _ = try (bench.nextCompletion(), bench.nextCompletion())
        // Once for each wish.
        try send(bench, pair, index: 2, solicited: true)
        _ = try (bench.nextCompletion(), bench.nextCompletion())
        for _ in 0..<2000 { bench.turn() }
        try expect(bench.takeEvents().isEmpty, "an event without a wish")

        // Asleep: an unsolicited completion within a millisecond or so, by the deadline; a solicited one by the descriptor.
        try bench.adapter.requestSolicitedEvent(pair.receiveQueue)
        try fallAsleep(bench)
        let deadline = try { () throws -> UInt64 in
            guard let deadline = bench.adapter.nextDeadlineNanoseconds else { throw Failure("no deadline") }
            return deadline
        }()
        let now = MonotonicClock.nowNanoseconds
        try expect(deadline < now + 2_000_000, "a deadline in \(Int64(deadline) - Int64(now)) ns")
        try send(bench, pair, index: 3, solicited: true)
        try expect(isReadable(bench, milliseconds: 5000), "nothing became readable")
        try bench.waitForEvent("solicited event") { $0 == event }
        _ = try (bench.nextCompletion(), bench.nextCompletion())

        // An error counts as solicited.
        try bench.adapter.requestSolicitedEvent(pair.receiveQueue)
        bench.turn()
        try Pair.setState(bench, pair.b, .error)
        for _ in 4..<8 {
            let completion = try bench.nextCompletion()
            try expect(completion.status == WorkCompletionStatus.flushError.rawValue, "\(completion)")
        }
        try bench.waitForEvent("event for an error") { $0 == event }
    }

    /// A wish made while the queue is armed for any completion, as it is in every sleep.
    static func solicitedAfterSleep(_ bench: Bench) throws {
        for round in 0..<20 {
            let pair = try Pair(bench)
            for index in 0..<8 { try expect(bench.postReceive(pair.b, index: UInt32(index)), "receive not taken") }
            try fallAsleep(bench)
            try bench.adapter.requestSolicitedEvent(pair.receiveQueue)
            try send(bench, pair, index: 0, solicited: false)
            _ = try (bench.nextCompletion(), bench.nextCompletion())
            for _ in 0..<2000 { bench.turn() }
            try expect(bench.takeEvents().isEmpty, "round \(round): an event for what was not solicited")
            try send(bench, pair, index: 1, solicited: true)
            let event = HostEvent.solicited(queue: pair.receiveQueue)
            try bench.waitForEvent("solicited event") { $0 == event }
            _ = try (bench.nextCompletion(), bench.nextCompletion())
        }
        try expect(bench.adapter.eventsNotRecalled == 0, "\(bench.adapter.eventsNotRecalled) events not recalled")
    }

    static func sleeping(_ bench: Bench) throws {
        let pair = try Pair(bench)
        try fallAsleep(bench)
        try expect(!isReadable(bench, milliseconds: 50), "readable though nothing happened")
        try expect(bench.adapter.nextDeadlineNanoseconds == nil, "a deadline though nothing is awaited")
        for index in 0..<20 { try expect(bench.postReceive(pair.b, index: UInt32(index)), "receive not taken") }
        for index in 0..<20 {
            // The device is asked once whether it kept the receives; then nothing is looked at any more.
            let end = MonotonicClock.nowNanoseconds + 10_000_000_000
            repeat {
                try fallAsleep(bench)
            } while bench.adapter.nextDeadlineNanoseconds != nil
                && MonotonicClock.nowNanoseconds < end
            try expect(bench.adapter.nextDeadlineNanoseconds == nil, "a deadline that stays")
            try send(bench, pair, index: UInt32(index), solicited: false)
            try expect(isReadable(bench, milliseconds: 5000), "SEND \(index) woke nobody")
            _ = try (bench.nextCompletion(), bench.nextCompletion())
        }
        // A registration wakes too.
        try fallAsleep(bench)
        let buffer = try Mapping(name: "b", sizeBytes: 4096)
        _ = bench.beginRegistration([.init(mapping: buffer, offset: 0, lengthBytes: 4096)], start: 0)
        try expect(isReadable(bench, milliseconds: 5000), "a registration woke nobody")
        bench.turn()
        try expect(bench.takeEvents().count == 1, "no event of the registration")
    }

    static func portGoesDown(_ bench: Bench) throws {
        try expect(run("ip link set eth0 down"), "ip link set eth0 down")
        try bench.waitForEvent("port event") { if case .port(.portError) = $0 { true } else { false } }
        try expect(!bench.adapter.port.isActive, "the port is active")
        try expect(bench.adapter.isAvailable, "the device is away")
        try expect(run("ip link set eth0 up"), "ip link set eth0 up")
        try bench.waitForEvent("port event") { if case .port(.portActive) = $0 { true } else { false } }
        try expect(bench.adapter.port.isActive, "the port is not active")
        say("  further events: \(bench.takeEvents())")
        try expect(run("ip address add 10.9.0.200/24 dev eth0"), "ip address add")
        let added = GID(ipv4: 0x0a09_00c8)
        try bench.wait("new address") { bench.adapter.hasAddress(added) }
        try expect(run("ip address del 10.9.0.200/24 dev eth0"), "ip address del")
        try bench.wait("end of the address") { !bench.adapter.hasAddress(added) }
        say("  events: \(bench.takeEvents())")
        // The kernel forgets the IPv6 address with the link.
        _ = run("ip address add fd00:9::1/64 dev eth0 nodad")
    }

    static func run(_ command: String) -> Bool { system(command) == 0 }
}

import CVRDMAABI
import Endpoint
import SharedMemory
import Verbs

extension AdapterProbe {
    static func attributes(_ bench: Bench) throws {
        say("  \(bench.adapter.attributes)")
        say("  \(bench.adapter.port)")
        try expect(bench.adapter.isAvailable, "not available")
        try expect(bench.adapter.port.isActive, "the port is not active")
        try expect(bench.adapter.hasAddress(bench.address), "the device has not got \(bench.address)")
        try expect(!bench.adapter.hasAddress(GID(ipv4: 0x0102_0304)), "the device has 1.2.3.4")
        try expect(
            bench.adapter.attributes.inlineBytes >= 64, "inline data of \(bench.adapter.attributes.inlineBytes) bytes")
    }

    static func succeed(_ bench: Bench, index: UInt32, _ what: String) throws {
        let completion = try bench.nextCompletion()
        try expect(completion.status == 0, "\(what): status \(completion.status)")
        try expect(!completion.isReceive && completion.index == index, "\(what): \(completion)")
    }

    static func operations(_ bench: Bench) throws {
        let pair = try Pair(bench)
        let from = try bench.buffer(100_000)
        let to = try bench.buffer(100_000)
        from.fill(1)
        to.fill(2)
        var request = HostSendRequest(index: 0xffff_fffe, opcode: .rdmaWrite)
        request.isSignaled = true
        request.remoteAddress = to.start + 3
        request.remoteKey = to.memory.remoteKey
        try expect(
            bench.post(pair.a, request, [from.element(5, 60_000), from.element(70_000, 101)]), "WRITE not taken")
        try succeed(bench, index: 0xffff_fffe, "WRITE")
        try expect(to.holds(1, from: 5, at: 3, count: 60_000), "the first element's bytes are wrong")
        try expect(to.holds(1, from: 70_000, at: 60_003, count: 101), "the second element's bytes are wrong")
        try expect(
            to.holds(2, count: 3) && to.holds(2, from: 60_104, at: 60_104, count: 39_896), "bytes beside changed")

        // Unsignaled, and a READ behind it.
        request.index = 0xffff_ffff
        request.isSignaled = false
        request.remoteAddress = to.start
        try expect(bench.post(pair.a, request, [from.element(0, 10)]), "WRITE not taken")
        request = HostSendRequest(index: 0, opcode: .rdmaRead)
        request.isSignaled = true
        request.isFenced = true
        request.remoteAddress = to.start + 1
        request.remoteKey = to.memory.remoteKey
        try expect(bench.post(pair.a, request, [from.element(90_000, 9_000)]), "READ not taken")
        try succeed(bench, index: 0, "READ")
        try expect(from.byte(90_000) == to.byte(1) && from.byte(98_999) == to.byte(9_000), "READ brought other bytes")

        try expect(bench.postReceive(pair.b, index: 7, [to.element(10, 20), to.element(50, 50)]), "receive not taken")
        request = HostSendRequest(index: 1, opcode: .sendWithImmediate)
        request.isSignaled = true
        request.immediate = UInt32(0x0102_0304).bigEndian
        try expect(bench.post(pair.a, request, [from.element(0, 33)]), "SEND not taken")
        let both = [try bench.nextCompletion(), try bench.nextCompletion()]
        guard let received = both.first(where: \.isReceive), let sent = both.first(where: { !$0.isReceive }) else {
            throw Failure("\(both)")
        }
        try expect(sent.status == 0 && sent.index == 1 && sent.queuePair == pair.a, "\(sent)")
        try expect(received.status == 0 && received.index == 7 && received.queuePair == pair.b, "\(received)")
        try expect(received.byteLength == 33 && received.immediate == request.immediate, "\(received)")
        try expect(received.flags & VRDMA_WC_FLAG_WITH_IMM != 0, "\(received)")
        try expect(to.holds(1, count: 20) == false && to.holds(1, at: 10, count: 20), "the first 20 bytes are wrong")
        try expect(to.holds(1, from: 20, at: 50, count: 13), "the last 13 bytes are wrong")
        let queried = try bench.adapter.queryQueuePair(pair.a)
        try expect(queried.qp_state == QueuePairState.readyToSend.rawValue, "state \(queried.qp_state)")
        try expect(queried.destination_qp_number == pair.bNumber.rawValue, "\(queried.destination_qp_number)")
        pair.destroy()
        try bench.deregister(from.memory)
        try bench.deregister(to.memory)
        bench.adapter.destroyProtectionDomain(bench.domain)
    }

    static func inlineData(_ bench: Bench) throws {
        let pair = try Pair(bench)
        let from = try bench.buffer(4096)
        let to = try bench.buffer(4096)
        from.fill(3)
        var request = HostSendRequest(index: 0, opcode: .rdmaWrite)
        request.isSignaled = true
        request.inlineAddress = UInt(from.start) + 1
        request.inlineBytes = 64
        request.remoteAddress = to.start + 9
        request.remoteKey = to.memory.remoteKey
        try expect(bench.post(pair.a, request), "not taken")
        // The data is taken with the request.
        from.fill(4)
        try succeed(bench, index: 0, "inline WRITE")
        try expect(to.holds(3, from: 1, at: 9, count: 64), "the bytes are wrong")
    }

    static func atomics(_ bench: Bench) throws {
        let pair = try Pair(bench)
        let from = try bench.buffer(4096)
        let to = try bench.buffer(4096)
        to.mapping.base.storeBytes(of: 41, as: UInt64.self)
        var request = HostSendRequest(index: 0, opcode: .fetchAndAdd)
        request.isSignaled = true
        request.remoteAddress = to.start
        request.remoteKey = to.memory.remoteKey
        request.compareAdd = 1
        try expect(bench.post(pair.a, request, [from.element(0, 8)]), "not taken")
        try succeed(bench, index: 0, "fetch and add")
        try expect(from.mapping.base.load(as: UInt64.self) == 41, "the original value is wrong")
        try expect(to.mapping.base.load(as: UInt64.self) == 42, "the sum is wrong")
        request.index = 1
        request.opcode = .compareAndSwap
        request.compareAdd = 42
        request.swap = .max
        try expect(bench.post(pair.a, request, [from.element(8, 8)]), "not taken")
        try succeed(bench, index: 1, "compare and swap")
        try expect(to.mapping.base.load(as: UInt64.self) == .max, "nothing was swapped")
        request.index = 2
        request.remoteAddress += 4
        let isTaken = bench.post(pair.a, request, [from.element(8, 8)])
        say(
            "  misaligned atomic: \(isTaken ? "taken" : "not taken, \(bench.adapter.lastPostingError.map(\.description) ?? "")")"
        )
        if isTaken { say("  and ends with status \(try bench.nextCompletion().status)") }
    }

    static func forbiddenKey(_ bench: Bench) throws {
        let pair = try Pair(bench)
        let to = try bench.buffer(4096)
        var request = HostSendRequest(index: 5, opcode: .rdmaWrite)
        request.isSignaled = true
        request.remoteAddress = to.start
        request.remoteKey = to.memory.remoteKey
        let forbidden = vrdma_sge(address: 0, length: 1, lkey: bench.adapter.forbiddenLocalKey)
        try expect(bench.post(pair.a, request, [forbidden]), "not taken")
        request.index = 6
        try expect(bench.post(pair.a, request, [to.element(0, 1)]), "not taken")
        let first = try bench.nextCompletion()
        let second = try bench.nextCompletion()
        // Soft-RoCE says "queue pair operation" of a key that is not the queue pair's, hardware "protection".
        let expected: [WorkCompletionStatus] = [.localProtectionError, .localQueuePairOperationError]
        try expect(first.index == 5 && expected.map(\.rawValue).contains(first.status), "\(first)")
        try expect(second.index == 6 && second.status == WorkCompletionStatus.flushError.rawValue, "\(second)")
        let state = try bench.adapter.queryQueuePair(pair.a).qp_state
        try expect(state == QueuePairState.error.rawValue, "state \(state)")

        // A receive that may not be written.
        let other = try Pair(bench)
        try expect(bench.postReceive(other.b, index: 0, [forbidden]), "receive not taken")
        request = HostSendRequest(index: 0, opcode: .send)
        request.isSignaled = true
        try expect(bench.post(other.a, request, [to.element(0, 1)]), "not taken")
        let both = [try bench.nextCompletion(), try bench.nextCompletion()]
        say("  forbidden receive: \(both.map { "\($0.isReceive ? "receive" : "send") status \($0.status)" })")
        say("  events: \(bench.takeEvents())")
    }
}

import CVRDMAABI
import SharedMemory
import Testing
import Verbs

@testable import Endpoint

/// Registration of memory (ibv_reg_mr(3), IBA vol. 1, 10.6.3).
struct MemoryRegionTests {
    private let application: Application
    private let memory: SimulatedMemory

    init() throws {
        application = try Application(SimulatedEndpoint().addGuest())
        memory = try application.context.attach(sizeBytes: 1 << 16)
    }

    /// A registration of 100 bytes, changed.
    private func register(_ change: (inout vrdma_reg_mr_command) -> Void) throws -> UInt32 {
        var request = vrdma_reg_mr_command()
        (request.start, request.length) = (0x1000, 100)
        request.pd = application.protectionDomain
        request.access = AccessFlags.localWrite.rawValue
        request.extent_count = 1
        request.extents.0 = memory.extent(0, 100)
        change(&request)
        return try application.context.register(request)
    }

    @Test func valid() throws {
        let changes: [(inout vrdma_reg_mr_command) -> Void] = [
            { _ in }, { $0.start = 0 }, { $0.start = .max - 99 }, { $0.access = 0 },
            { $0.extents.0.offset = (1 << 16) - 100 }, { $0.extents.0.offset = 1 },
            { $0.access = AccessFlags([.localWrite, .remoteWrite, .remoteRead, .remoteAtomic]).rawValue },
            {
                $0.access = AccessFlags([.zeroBased, .localWrite]).rawValue; $0.start = 0
            },
            // Optional flags may be ignored (ibv_reg_mr(3), IBV_ACCESS_OPTIONAL_RANGE).
            { $0.access = AccessFlags([.localWrite]).union(.optionalMask).rawValue },
        ]
        var keys: Set<UInt32> = []
        for change in changes { keys.insert(try register(change)) }
        #expect(keys.count == changes.count)
        #expect(!keys.contains(0))
        Invariants.check(application.context.endpoint)
    }

    @Test func invalid() throws {
        let changes: [(inout vrdma_reg_mr_command) -> Void] = [
            {
                $0.length = 0; $0.extents.0.length = 0
            }, { $0.length = 99 }, { $0.length = 101 },
            { $0.start = .max - 98 }, { $0.pd = 0 }, { $0.pd = 999 },
            { $0.extent_count = 0 }, { $0.extents.0.region = 999 }, { $0.extents.0.offset = (1 << 16) - 99 },
            { $0.extents.0.offset = .max },
            {
                $0.extents.0.length = .max; $0.length = .max
            },
            // Remote rights to write need the local one.
            { $0.access = AccessFlags.remoteWrite.rawValue }, { $0.access = AccessFlags.remoteAtomic.rawValue },
            // A table of extents that is too short, misaligned, or outside of its region.
            {
                $0.extent_count = 8; $0.extents.0.length = 8 * 24 - 1
            },
            {
                $0.extent_count = 8; $0.extents.0.offset = 4; $0.extents.0.length = 8 * 24
            },
            {
                $0.extent_count = 8; $0.extents.0.offset = (1 << 16) - 8; $0.extents.0.length = 8 * 24
            },
            { $0.extent_count = .max },
        ]
        for (position, change) in changes.enumerated() {
            #expect(throws: Errno.invalidArgument, "change \(position)") { try register(change) }
        }
        #expect(application.context.endpoint.device.guests.values.allSatisfy { $0.extentCount == 1 })
        Invariants.check(application.context.endpoint)
    }

    /// Rights that this version does not have.
    @Test(arguments: [AccessFlags.memoryWindowBind, .onDemand, AccessFlags(rawValue: 1 << 9)])
    func unsupportedAccess(access: AccessFlags) {
        #expect(throws: Errno.self) { try register { $0.access = access.union(.localWrite).rawValue } }
    }

    /// Two regions over the same bytes, with other rights, other addresses and other extents.
    @Test func overlaps() throws {
        let endpoint = application.context.endpoint
        let peer = try Application(endpoint.addGuest())
        try application.queuePair.connect(application.connection(to: peer))
        try peer.queuePair.connect(peer.connection(to: application))
        let whole = try application.context.register(
            [.init(memory: memory, offset: 0, length: 200)], protectionDomain: application.protectionDomain,
            access: .remoteRead)
        let middle = try application.context.register(
            [.init(memory: memory, offset: 50, length: 100)], start: 0,
            protectionDomain: application.protectionDomain)
        #expect(whole.key != middle.key)
        peer.buffer.write([1, 2, 3, 4])
        peer.queuePair.post(
            .write(peer.buffer.element(0, 4), to: middle), .read(peer.buffer.element(8, 4), from: whole, at: 50))
        endpoint.settle()
        #expect(peer.sendQueue.drain().map(\.status) == [.success, .success])
        #expect(peer.buffer.bytes(8..<12) == [1, 2, 3, 4])
        try application.context.deregister(middle)
        peer.queuePair.post(.read(peer.buffer.element(8, 4), from: whole, at: 50))
        peer.queuePair.post(.write(peer.buffer.element(0, 4), to: whole))
        endpoint.settle()
        #expect(peer.sendQueue.drain().map(\.status) == [.success, .remoteAccessError])
    }

    /// A zero-based region begins at address 0.
    @Test func zeroBased() throws {
        let pair = try ConnectedPair()
        let offset = try pair.b.context.memory.allocate(256, alignment: 8)
        let region = try pair.b.context.register(
            [.init(memory: pair.b.context.memory, offset: offset, length: 256)], start: 0,
            protectionDomain: pair.b.protectionDomain,
            access: SimulatedContext.everyAccess.union(.zeroBased))
        pair.a.buffer.write([9, 9])
        let completions = pair.run(
            .write(pair.a.buffer.element(0, 2), to: region, at: 254),
            .fetchAndAdd(1, into: pair.a.buffer.element(8, 8), at: region, 8),
            .write(pair.a.buffer.element(0, 2), to: region, at: 255))
        #expect(completions.map(\.status) == [.success, .success, .remoteAccessError])
        #expect(region.bytes(254..<256) == [9, 9])
    }

    /// The first and the last byte of the address space.
    @Test func endsOfTheAddressSpace() throws {
        let pair = try ConnectedPair()
        let offset = try pair.b.context.memory.allocate(64)
        let last = try pair.b.context.register(
            [.init(memory: pair.b.context.memory, offset: offset, length: 64)], start: .max - 63,
            protectionDomain: pair.b.protectionDomain)
        #expect(
            pair.run(
                .write(pair.a.buffer.element(0, 64), to: last), .write(pair.a.buffer.element(0, 1), to: last, at: 63),
                .write(pair.a.buffer.element(0, 2), to: last, at: 63)
            ).map(\.status) == [.success, .success, .remoteAccessError])
    }
}

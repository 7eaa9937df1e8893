import TestKit
import Testing
import Verbs

@testable import MemoryTranslation

/// A guest's mapping table: keys, rights, bounds, extents.
struct MappingTableTests {
    private let table = MappingTable(capacity: 4)

    private func extent(_ region: UInt32, _ offset: UInt64, _ length: UInt64, _ host: UInt) -> Extent {
        Extent(region: region, offset: offset, lengthBytes: length, hostAddress: host)
    }

    private func register(
        start: UInt64 = 0x1000, length: UInt64 = 100, context: UInt32 = 1, _ extents: [Extent]? = nil
    ) throws -> MemoryKey {
        try table.register(
            protectionDomain: 5, context: context, access: .localWrite, start: start, lengthBytes: length,
            extents: extents ?? [extent(1, 0, length, 0x10_0000)])
    }

    private func translate(
        _ key: MemoryKey, _ address: UInt64, _ length: UInt64, domain: UInt32 = 5, needs: AccessFlags = []
    ) -> Translation {
        table.view.translate(key, address: address, lengthBytes: length, protectionDomain: domain, needs: needs)
    }

    @Test func translates() throws {
        let key = try register()
        let all = translate(key, 0x1000, 100)
        #expect(all.fault == .none)
        #expect((all.hostAddress, all.contiguousBytes) == (0x10_0000, 100))
        let last = translate(key, 0x1063, 1)
        #expect((last.fault, last.hostAddress, last.contiguousBytes) == (.none, 0x10_0063, 1))
    }

    @Test func bounds() throws {
        let key = try register()
        for (address, length) in [
            (UInt64(0xfff), UInt64(1)), (0x1064, 1), (0x1000, 101), (0x1063, 2), (0x1000, .max), (.max, 1), (0, 100),
            (.max, .max), (0x1001, .max - 0x1000),
        ] {
            #expect(translate(key, address, length).fault == .bounds)
        }
    }

    @Test func keysAndRights() throws {
        let key = try register()
        #expect(translate(key, 0x1000, 1, domain: 6).fault == .key)
        #expect(translate(MemoryKey(rawValue: key.rawValue ^ 1), 0x1000, 1).fault == .key)
        for value in [UInt32(0), 1, .max, 0xffff_ff00, key.rawValue + 0x100] {
            #expect(translate(MemoryKey(rawValue: value), 0x1000, 1).fault == .key)
        }
        #expect(translate(key, 0x1000, 1, needs: .localWrite).fault == .none)
        #expect(translate(key, 0x1000, 1, needs: .remoteWrite).fault == .access)
        #expect(translate(key, 0x1000, 1, needs: [.localWrite, .remoteRead]).fault == .access)
    }

    @Test func endsOfTheAddressSpace() throws {
        let key = try register(start: .max - 99)
        #expect(translate(key, .max, 1).fault == .none)
        #expect(translate(key, .max, 2).fault == .bounds)
        #expect(translate(key, 0, 1).fault == .bounds)
        #expect(throws: Errno.invalidArgument) { try register(start: .max - 98) }
    }

    @Test func coverage() {
        #expect(throws: Errno.invalidArgument) { try register(length: 0, []) }
        #expect(throws: Errno.invalidArgument) { try register(length: 0) }
        #expect(throws: Errno.invalidArgument) { try register([extent(1, 0, 99, 0)]) }
        #expect(throws: Errno.invalidArgument) { try register([extent(1, 0, 101, 0)]) }
        #expect(throws: Errno.invalidArgument) { try register([extent(1, 0, .max, 0), extent(2, 0, 101, 0)]) }
        #expect(throws: Errno.invalidArgument) { try register([]) }
        #expect(table.count == 0)
    }

    @Test func limit() throws {
        let keys = try (0..<4).map { _ in try register() }
        #expect(Set(keys).count == 4)
        #expect(throws: Errno.outOfMemory) { try register() }
        #expect(throws: Errno.outOfMemory) { try register([extent(1, 0, 50, 0), extent(2, 0, 50, 0)]) }
        try table.deregister(keys[2], context: 1)
        #expect(try register().index == keys[2].index)
    }

    @Test func deregister() throws {
        let key = try register(context: 3)
        #expect(throws: Errno.invalidArgument) { try table.deregister(key, context: 4) }
        #expect(table.entry(key)?.context == 3)
        #expect(table.keys(context: 3) == [key])
        try table.deregister(key, context: 3)
        #expect(table.entry(key) == nil)
        #expect(throws: Errno.invalidArgument) { try table.deregister(key, context: 3) }
        #expect(translate(key, 0x1000, 1).fault == .key)
    }

    /// The key portion changes with each use of an index, through all 256 values.
    @Test func keyPortions() throws {
        let table = MappingTable(capacity: 1)
        var keys: Set<MemoryKey> = []
        for _ in 0..<256 {
            let key = try table.register(
                protectionDomain: 1, context: 1, access: [], start: 0, lengthBytes: 1, extents: [extent(1, 0, 1, 0)])
            keys.insert(key)
            try table.deregister(key, context: 1)
        }
        #expect(keys.count == 256)
        #expect(Set(keys.map(\.index)) == [1])
    }

    /// Neighbours that continue each other are one entry; others are not.
    @Test func fusion() {
        let pieces = [
            extent(1, 0, 10, 100), extent(1, 10, 10, 110), extent(1, 20, 0, 120), extent(1, 20, 5, 120),
            extent(2, 25, 5, 125), extent(2, 40, 5, 130), extent(2, 45, 5, 999),
        ]
        #expect(
            Extent.fused(pieces) == [
                extent(1, 0, 25, 100), extent(2, 25, 5, 125), extent(2, 40, 5, 130), extent(2, 45, 5, 999),
            ])
        #expect(Extent.fused([]).isEmpty)
    }

    /// Against a list of the host address of every byte.
    @Test(arguments: Seeds.first(8))
    func model(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let table = MappingTable(capacity: 8)
        struct Region {
            var key: MemoryKey
            var start: UInt64
            var domain: UInt32
            var access: AccessFlags
            var hosts: [UInt]
        }
        var regions: [Region] = []
        for turn in 0..<300 {
            if regions.count < 8, turn % 3 == 0 {
                var hosts: [UInt] = []
                let extents = (0..<Int.random(in: 1...20, using: &generator)).map { _ in
                    let length = UInt64.random(in: 0...30, using: &generator)
                    let host = UInt.random(in: 0...200, using: &generator)
                    hosts += (0..<UInt(length)).map { host + $0 }
                    return extent(UInt32.random(in: 1...2, using: &generator), UInt64(host), length, host)
                }
                let start =
                    Bool.random(using: &generator) ? generator.next() >> 1 : UInt64.max - UInt64(hosts.count) + 1
                guard !hosts.isEmpty else { continue }
                let access = AccessFlags(rawValue: UInt32.random(in: 0...15, using: &generator))
                let domain = UInt32.random(in: 1...2, using: &generator)
                let key = try table.register(
                    protectionDomain: domain, context: 1, access: access, start: start,
                    lengthBytes: UInt64(hosts.count), extents: extents)
                regions.append(Region(key: key, start: start, domain: domain, access: access, hosts: hosts))
            }
            if turn % 7 == 6, let position = regions.indices.randomElement(using: &generator) {
                try table.deregister(regions.remove(at: position).key, context: 1)
            }
            guard let region = regions.randomElement(using: &generator) else { continue }
            let position = UInt64.random(in: 0...UInt64(region.hosts.count) + 2, using: &generator)
            let length = UInt64.random(in: 1...60, using: &generator)
            let needs = AccessFlags(rawValue: 1 << UInt32.random(in: 0...3, using: &generator))
            let domain = UInt32.random(in: 1...2, using: &generator)
            let found = table.view.translate(
                region.key, address: region.start &+ position, lengthBytes: length, protectionDomain: domain,
                needs: needs)
            if domain != region.domain {
                #expect(found.fault == .key)
            } else if position + length > UInt64(region.hosts.count) {
                #expect(found.fault == .bounds)
            } else if !region.access.contains(needs) {
                #expect(found.fault == .access)
            } else {
                #expect(found.fault == .none)
                #expect(found.hostAddress == region.hosts[Int(position)])
                // What is called contiguous is, and does not reach out of the region.
                #expect(found.contiguousBytes >= 1)
                #expect(position + found.contiguousBytes <= UInt64(region.hosts.count))
                for step in 0..<Int(found.contiguousBytes) {
                    #expect(region.hosts[Int(position) + step] == found.hostAddress + UInt(step))
                }
            }
        }
    }
}

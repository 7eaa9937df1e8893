import TestKit
import Testing
import Verbs

@testable import MemoryTranslation

/// A mapping table whose keys a device chooses, as far as they are free.
struct DeviceKeyTests {
    private let table = MappingTable(capacity: 4, keysFrom: .device)

    private func register(_ wanted: UInt32?, hostKey: UInt32 = 0x77) throws(Errno) -> MemoryKey {
        try table.register(
            protectionDomain: 5, context: 1, access: .localWrite, start: 0x1000, lengthBytes: 100,
            extents: [Extent(region: 1, offset: 0, lengthBytes: 100, hostAddress: 0x10_0000)],
            wanted: wanted.map(MemoryKey.init(rawValue:)), hostKey: hostKey)
    }

    @Test(arguments: [0x1234_5678, 0xffff_ffff, 0x100] as [UInt32]) func wantedKey(raw: UInt32) throws {
        let key = try register(raw)
        #expect(key.rawValue == raw)
        #expect(table.view.hostKey(key) == 0x77)
        #expect(table.entry(key)?.start == 0x1000)
        let place = table.view.translate(key, address: 0x1001, lengthBytes: 99, protectionDomain: 5, needs: .localWrite)
        #expect((place.fault, place.hostAddress) == (.none, 0x10_0001))
        // Another key portion of the same index is another key.
        #expect(table.view.hostKey(MemoryKey(rawValue: raw ^ 1)) == nil)
        #expect(throws: Errno.alreadyExists) { try register(raw ^ 1) }
        try table.deregister(key, context: 1)
        #expect(table.view.hostKey(key) == nil)
        #expect(try register(raw ^ 1).rawValue == raw ^ 1)
        #expect(table.count == 1)
    }

    /// Keys of index 0 look like fields that nobody filled in.
    @Test func keyOfIndexZero() {
        #expect(throws: Errno.alreadyExists) { try register(0xff) }
        #expect(table.count == 0)
    }

    @Test func hostKeys() throws {
        let key = try register(0x1000, hostKey: 0)
        #expect(table.view.hostKey(key) == nil)
        table.setHostKey(9, of: key)
        #expect(table.view.hostKey(key) == 9)
        table.setHostKey(0, of: key)
        #expect(table.view.hostKey(key) == nil)
        table.setHostKey(9, of: MemoryKey(rawValue: 0x1001))
        #expect(table.view.hostKey(key) == nil)
    }

    /// Without a wish the table chooses, around what the device has chosen.
    @Test func ownKeys() throws {
        _ = try register(0x100)
        _ = try register(0x2ff)
        let own = try register(nil)
        #expect(own.index == 3)
        let other = try register(nil)
        #expect(Set([own, other]).count == 2)
        #expect(throws: Errno.outOfMemory) { try register(0x500) }
        #expect(throws: Errno.outOfMemory) { try register(nil) }
        try table.deregister(own, context: 1)
        #expect(try register(nil) != own)
    }

    /// A table that chooses its keys itself takes no wishes.
    @Test func wishOfAnotherTable() throws {
        let table = MappingTable(capacity: 4)
        let key = try table.register(
            protectionDomain: 5, context: 1, access: .localWrite, start: 0, lengthBytes: 1,
            extents: [Extent(region: 1, offset: 0, lengthBytes: 1, hostAddress: 1)],
            wanted: MemoryKey(rawValue: 0x12_3456))
        #expect(key.index == 1)
    }

    @Test func covering() throws {
        func extent(_ length: UInt64) -> Extent {
            Extent(region: 1, offset: 0, lengthBytes: length, hostAddress: 0x1000)
        }
        #expect(try MappingTable.covering([extent(4), extent(0), extent(4)], start: 0, lengthBytes: 8).count == 2)
        for (extents, start, length) in [
            ([extent(4)], UInt64(0), UInt64(5)), ([], 0, 0), ([extent(0)], 0, 0), ([extent(8)], .max - 6, 8),
            ([extent(.max), extent(2)], 0, 1), ([extent(4)], 0, 3),
        ] {
            #expect(throws: Errno.invalidArgument) {
                try MappingTable.covering(extents, start: start, lengthBytes: length)
            }
        }
    }

    /// Random keys of a device come and go: each leads to its region as long as that is there, and to nothing after.
    @Test(arguments: Seeds.first(20)) func random(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let table = MappingTable(capacity: 32, keysFrom: .device)
        var model: [MemoryKey: UInt32] = [:]
        var gone: Set<MemoryKey> = []
        for step in 0..<1000 {
            if generator.chance(1, of: 2), let (key, _) = model.randomElement(using: &generator) {
                try table.deregister(key, context: 1)
                model[key] = nil
                gone.insert(key)
            } else {
                let wanted = generator.chance(3, of: 4) ? MemoryKey(rawValue: generator.wantedKey()) : nil
                let isTaken = wanted.map { wanted in model.keys.contains { $0.index == wanted.index } } ?? false
                let hostKey = UInt32(step + 1)
                do throws(Errno) {
                    let key = try table.register(
                        protectionDomain: 1, context: 1, access: [], start: 0, lengthBytes: 8,
                        extents: [Extent(region: 1, offset: 0, lengthBytes: 8, hostAddress: 8)], wanted: wanted,
                        hostKey: hostKey)
                    #expect(wanted == nil || key == wanted)
                    #expect(model[key] == nil)
                    model[key] = hostKey
                    gone.remove(key)
                } catch {
                    #expect(model.count == 32 || isTaken)
                }
            }
            #expect(table.count == model.count)
        }
        for (key, hostKey) in model { #expect(table.view.hostKey(key) == hostKey) }
        for key in gone { #expect(table.view.hostKey(key) == nil) }
    }
}

extension SeededGenerator {
    /// From few indices, so that they meet.
    fileprivate mutating func wantedKey() -> UInt32 {
        UInt32.random(in: 1..<64, using: &self) << 8 | UInt32.random(in: 0...255, using: &self)
    }
}

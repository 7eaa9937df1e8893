import CLinux
import Glibc
import TestKit
import Testing
import Verbs

@testable import Provider

/// Adoption of memory that nothing else uses meanwhile.
@Suite struct AdoptionTests {
    private let engine = AdoptionEngine.shared

    private func pin(_ memory: PrivateMemory, needsWrite: Bool = true) throws -> MemoryPin {
        try engine.pin(address: memory.address, lengthBytes: UInt64(memory.byteCount), needsWrite: needsWrite)
    }

    @Test func contentsStayAndAreShared() throws {
        let memory = PrivateMemory(pages: 300)
        memory.fill(salt: 1)
        let pin = try pin(memory)
        #expect(memory.isFilled(salt: 1))
        let view = try EndpointView(pin)
        #expect(view.byteCount == memory.byteCount)
        #expect(view.bytes == (0..<memory.byteCount).map { PrivateMemory.pattern($0, 1) })
        memory.fill(salt: 2)
        #expect(view.bytes == (0..<memory.byteCount).map { PrivateMemory.pattern($0, 2) })
        for position in [0, 4096, memory.byteCount - 1] {
            view.write(0xee, at: position)
            #expect(memory.base.load(fromByteOffset: position, as: UInt8.self) == 0xee)
        }
        engine.unpin(pin)
    }

    @Test(arguments: [(1, 1), (4095, 2), (5000, 1), (100, 9000), (4096, 4096), (0, 3 * 4096)])
    func unalignedRangesShareOnlyTheirBytes(offset: Int, length: Int) throws {
        let memory = PrivateMemory(pages: 4)
        memory.fill(salt: 3)
        let pin = try engine.pin(
            address: memory.address + UInt(offset), lengthBytes: UInt64(length), needsWrite: true)
        #expect(memory.isFilled(salt: 3))
        let expected = (offset..<offset + length).map { PrivateMemory.pattern($0, 3) }
        #expect(try EndpointView(pin).bytes == expected)
        engine.unpin(pin)
    }

    @Test func overlappingRangesAreTheSameMemory() throws {
        let memory = PrivateMemory(pages: 16)
        memory.fill(salt: 4)
        let middle = try engine.pin(address: memory.address + 20_000, lengthBytes: 20_000, needsWrite: true)
        let all = try pin(memory)
        let again = try engine.pin(address: memory.address + 30_000, lengthBytes: 30_000, needsWrite: true)
        try EndpointView(middle).write(0xaa, at: 15_000)
        #expect(try EndpointView(all).bytes[35_000] == 0xaa)
        #expect(try EndpointView(again).bytes[5_000] == 0xaa)
        #expect(memory.base.load(fromByteOffset: 35_000, as: UInt8.self) == 0xaa)
        #expect(memory.isFilled(salt: 4, bytes: 0..<35_000))
        #expect(memory.isFilled(salt: 4, bytes: 35_001..<memory.byteCount))
        for pin in [middle, all, again] { engine.unpin(pin) }
    }

    @Test func registeringAgainMovesNothing() throws {
        let memory = PrivateMemory(pages: 40)
        let first = try pin(memory)
        engine.unpin(first)
        let second = try pin(memory)
        #expect(first.extents.map(\.offset) == second.extents.map(\.offset))
        #expect(zip(first.extents, second.extents).allSatisfy { $0.file === $1.file })
        engine.unpin(second)
    }

    @Test func rightsStayAsTheyWere() throws {
        let memory = PrivateMemory(pages: 3)
        memory.fill(salt: 5)
        memory.protect(page: 1, PROT_READ)
        let pin = try pin(memory, needsWrite: false)
        let found = try AddressSpace.mappings(
            from: UInt64(memory.address), to: UInt64(memory.address) + UInt64(memory.byteCount))
        #expect(found.allSatisfy { $0.is_shared })
        let readOnly = found.filter { $0.protection == PROT_READ }
        #expect(readOnly.map(\.start) == [UInt64(memory.address) + 4096])
        #expect(try EndpointView(pin).bytes == (0..<memory.byteCount).map { PrivateMemory.pattern($0, 5) })
        engine.unpin(pin)
    }

    @Test func missingRightsAndHolesAreBadAddresses() throws {
        let memory = PrivateMemory(pages: 6)
        memory.protect(page: 1, PROT_READ)
        memory.protect(page: 3, PROT_NONE)
        memory.unmap(page: 5)
        let start = memory.address
        func error(_ page: Int, _ pages: Int, _ needsWrite: Bool) -> Errno? {
            do throws(Errno) {
                engine.unpin(
                    try engine.pin(
                        address: start + UInt(page * 4096), lengthBytes: UInt64(pages * 4096), needsWrite: needsWrite))
                return nil
            } catch { return error }
        }
        #expect(error(0, 2, true) == .badAddress)
        #expect(error(0, 2, false) == nil)
        #expect(error(2, 2, false) == .badAddress)
        #expect(error(4, 2, true) == .badAddress)
        #expect(error(4, 1, true) == nil)
        #expect(error(5, 1, false) == .badAddress)
    }

    @Test func emptyAndWrappingRangesAreInvalid() throws {
        #expect(throws: Errno.invalidArgument) { try engine.pin(address: 4096, lengthBytes: 0, needsWrite: false) }
        #expect(throws: Errno.invalidArgument) {
            try engine.pin(address: 4096, lengthBytes: .max, needsWrite: false)
        }
        #expect(throws: Errno.badAddress) { try engine.pin(address: 0, lengthBytes: 4096, needsWrite: false) }
    }

    @Test func sharedMemoryOfOthersIsNotAdopted() throws {
        let memory = PrivateMemory(pages: 2, flags: MAP_SHARED | MAP_ANONYMOUS)
        #expect(throws: Errno.notSupported) { try pin(memory) }
        let before = PrivateMemory(pages: 1)
        #expect(try !AddressSpace.mappings(from: UInt64(before.address), to: UInt64(before.address) + 1)[0].is_shared)
    }

    @Test func aStackInUseIsNotAdopted() throws {
        var local = 0
        let address = withUnsafeMutablePointer(to: &local) { UInt(bitPattern: $0) }
        #expect(throws: Errno.notSupported) { try engine.pin(address: address, lengthBytes: 8, needsWrite: true) }
    }

    @Test func globalVariablesAreAdopted() throws {
        let address = withUnsafeMutablePointer(to: &globalBuffer.0) { UInt(bitPattern: $0) }
        globalBuffer.7 = 77
        let pin = try engine.pin(address: address, lengthBytes: 64, needsWrite: true)
        let view = try EndpointView(pin)
        #expect(view.bytes[56] == 77)
        view.write(78, at: 56)
        #expect(globalBuffer.7 == 78)
        engine.unpin(pin)
    }

    @Test func manyMallocedBuffersWork() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(seed: seed)
        var pins: [(buffer: UnsafeMutableRawPointer, count: Int, salt: UInt8, pin: MemoryPin)] = []
        for _ in 0..<200 {
            let count = Int.random(in: 1...70_000, using: &generator)
            guard let buffer = malloc(count) else { continue }
            let salt = UInt8.random(in: 0...255, using: &generator)
            for index in 0..<count {
                buffer.storeBytes(of: PrivateMemory.pattern(index, salt), toByteOffset: index, as: UInt8.self)
            }
            let pin = try engine.pin(address: UInt(bitPattern: buffer), lengthBytes: UInt64(count), needsWrite: true)
            pins.append((buffer, count, salt, pin))
        }
        for (buffer, count, salt, pin) in pins {
            let expected = (0..<count).map { PrivateMemory.pattern($0, salt) }
            #expect(try EndpointView(pin).bytes == expected, "seed \(seed)")
            #expect(Array(UnsafeRawBufferPointer(start: buffer, count: count)) == expected, "seed \(seed)")
        }
        for entry in pins {
            engine.unpin(entry.pin)
            free(entry.buffer)
        }
    }
}

nonisolated(unsafe) private var globalBuffer: (Int, Int, Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0, 0, 0)

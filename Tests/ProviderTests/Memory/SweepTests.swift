import Glibc
import LinuxIO
import TestKit
import Testing

@testable import Provider

/// Memory of files comes back when the application has unmapped what was adopted.
@Suite(.serialized) struct SweepTests {
    /// Small files and early sweeps.
    private let engine = AdoptionEngine(
        limits: AdoptionLimits(arenaBytes: 1 << 20, ownFileBytes: 256 << 10, sweepBytes: 512 << 10))

    private func adopt(pages: Int, salt: UInt8) throws -> PrivateMemory {
        let memory = PrivateMemory(pages: pages)
        memory.fill(salt: salt)
        engine.unpin(try engine.pin(address: memory.address, lengthBytes: UInt64(memory.byteCount), needsWrite: true))
        return memory
    }

    private var allocatedBytes: Int {
        engine.arenas.reduce(0) { sum, arena in
            var status = stat()
            fstat(arena.file.file.rawValue, &status)
            return sum + Int(status.st_blocks) * 512
        }
    }

    @Test func unmappedMemoryIsGivenBack() throws {
        var kept: [PrivateMemory] = []
        for round in 0..<50 {
            let memory = try adopt(pages: 20, salt: UInt8(round))
            if round % 10 == 0 { kept.append(memory) }
        }
        engine.sweep()
        #expect(engine.liveBytes == kept.count * 20 * 4096)
        #expect(allocatedBytes == kept.count * 20 * 4096)
        for (index, memory) in kept.enumerated() { #expect(memory.isFilled(salt: UInt8(index * 10))) }
        #expect(engine.arenas.count <= 2)
    }

    @Test func largePiecesHaveFilesThatGoWithThem() throws {
        var memory: PrivateMemory? = try adopt(pages: 100, salt: 1)
        let file = try #require(engine.arenas.first { $0.isForOnePiece }).file
        engine.sweep()
        #expect(!file.isRetired)
        memory = nil
        #expect(memory == nil)
        let retirements = engine.retirements
        engine.sweep()
        #expect(file.isRetired)
        #expect(engine.retirements == retirements + 1)
        #expect(!engine.arenas.contains { $0.file === file })
    }

    @Test func sweepingHappensByItself() throws {
        for round in 0..<200 { _ = try adopt(pages: 50, salt: UInt8(round)) }
        #expect(allocatedBytes <= 2 << 20)
    }

    @Test func whatIsPinnedStaysThoughUnmapped() throws {
        var memory: PrivateMemory? = PrivateMemory(pages: 10)
        memory?.fill(salt: 9)
        let address = memory?.address ?? 0
        let pin = try engine.pin(address: address, lengthBytes: 10 * 4096, needsWrite: true)
        memory = nil
        engine.sweep()
        #expect(try EndpointView(pin).bytes == (0..<10 * 4096).map { PrivateMemory.pattern($0, 9) })
        engine.unpin(pin)
        engine.sweep()
        #expect(engine.liveBytes == 0)
    }

    @Test func pagesThatAreUsedAgainReadAsZero() throws {
        for round in 0..<30 {
            let old = try adopt(pages: 30, salt: 0xff)
            old.unmap(page: 3)
            engine.sweep()
            let fresh = PrivateMemory(pages: 60)
            let pin = try engine.pin(address: fresh.address, lengthBytes: UInt64(fresh.byteCount), needsWrite: true)
            #expect(try EndpointView(pin).bytes.allSatisfy { $0 == 0 }, "round \(round)")
            engine.unpin(pin)
        }
    }

    @Test func neighboursBecomeOneMapping() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(seed: seed)
        let engine = AdoptionEngine()
        let memory = PrivateMemory(pages: 256)
        memory.fill(salt: 2)
        for page in (0..<256).shuffled(using: &generator) {
            let address = memory.address + UInt(page * 4096)
            engine.unpin(try engine.pin(address: address, lengthBytes: 4096, needsWrite: true))
        }
        let mappings = try AddressSpace.mappings(
            from: UInt64(memory.address), to: UInt64(memory.address) + UInt64(memory.byteCount))
        #expect(mappings.allSatisfy { $0.is_shared })
        // One for 16 pages: longer ones could be moved as a whole by realloc(3).
        #expect(mappings.count <= 256 / AdoptionArena.spreadPages + 2, "seed \(seed)")
        #expect(memory.isFilled(salt: 2))
    }
}

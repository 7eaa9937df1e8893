import Glibc
import LinuxIO
import SharedMemory
import TestKit
import Testing
import Verbs

@testable import Provider

@Suite struct RingMemoryTests {
    /// Counts attached regions.
    private final class Regions {
        var next: UInt32 = 1
        var attached: Set<UInt32> = []

        var attacher: RingMemory.Attacher {
            RingMemory.Attacher(
                attach: { [self] _ throws(Errno) in
                    next += 1
                    attached.insert(next)
                    return next
                },
                detach: { [self] region in attached.remove(region) })
        }
    }

    private func make() throws -> RingMemory {
        let mapping = try Mapping(name: "test-rings", sizeBytes: 64 << 10)
        return try RingMemory(mapping, identifier: 1, reservedBytes: 4096)
    }

    @Test func piecesAreAlignedZeroedAndOutsideOfTheReservedPart() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(seed: seed)
        var memory = try make()
        let regions = Regions()
        var pieces: [RingMemory.Piece] = []
        for _ in 0..<500 {
            if pieces.count > 20, let index = pieces.indices.randomElement(using: &generator) {
                memory.release(pieces.remove(at: index), regions.attacher)
            }
            let size = Int.random(in: 1...20_000, using: &generator)
            let piece = try memory.allocate(sizeBytes: size, regions.attacher)
            #expect(UInt(bitPattern: piece.address) % 64 == 0, "seed \(seed)")
            #expect(piece.region != 1 || piece.offset >= 4096, "seed \(seed)")
            let bytes = UnsafeRawBufferPointer(start: piece.address, count: size)
            #expect(bytes.allSatisfy { $0 == 0 }, "seed \(seed)")
            memset(piece.address, 0xff, size)
            pieces.append(piece)
        }
        #expect(regions.attached.count == 1)
    }

    @Test func aLargePieceHasARegionOfItsOwn() throws {
        var memory = try make()
        let regions = Regions()
        let piece = try memory.allocate(sizeBytes: 5 << 20, regions.attacher)
        #expect(regions.attached == [piece.region])
        memory.release(piece, regions.attacher)
        #expect(regions.attached == [])
    }

    @Test func aFailedAttachIsAnError() throws {
        var memory = try make()
        let attacher = RingMemory.Attacher(
            attach: { _ throws(Errno) in throw .outOfMemory }, detach: { _ in })
        #expect(throws: Errno.outOfMemory) { try memory.allocate(sizeBytes: 100_000, attacher) }
        let small = try memory.allocate(sizeBytes: 100, attacher)
        #expect(small.region == 1)
    }
}

import TestKit
import Testing
import Verbs

@testable import MemoryTranslation

/// Regions in pieces: what continues is one entry, what does not is found piece by piece.
struct FusionTests {
    private let table = MappingTable(capacity: 4)

    /// One memory in any number of pieces, some of them empty, translates as the whole does.
    @Test(arguments: Seeds.first(10))
    func piecesOfOneMemory(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let total = 5000
        let host = UInt(0x7000_0000)
        var offset = 0
        let extents = generator.parts(of: total, count: 40).map { bytes in
            defer { offset += bytes }
            return Extent(
                region: 3, offset: UInt64(offset), lengthBytes: UInt64(bytes), hostAddress: host + UInt(offset))
        }
        let key = try table.register(
            protectionDomain: 1, context: 1, access: [], start: .max - UInt64(total) + 1, lengthBytes: UInt64(total),
            extents: extents)
        for position in 0..<UInt64(total) {
            let found = table.view.translate(
                key, address: .max - UInt64(total) + 1 + position, lengthBytes: 1, protectionDomain: 1, needs: [])
            #expect(found.fault == .none)
            #expect(found.hostAddress == host + UInt(position))
            #expect(found.contiguousBytes == UInt64(total) - position)
        }
    }

    /// A walk by what each answer calls contiguous meets every piece once, in order, and ends at the end.
    @Test(arguments: Seeds.first(10))
    func walk(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let lengths = (0..<Int.random(in: 2...200, using: &generator)).map { _ in
            UInt64.random(in: 1...9000, using: &generator)
        }
        // Apart from each other, so that none is fused.
        let extents = lengths.enumerated().map { index, bytes in
            Extent(region: 1, offset: UInt64(index) << 20, lengthBytes: bytes, hostAddress: UInt(index + 1) << 20)
        }
        let total = lengths.reduce(0, +)
        let start = UInt64.random(in: 0...(.max - total), using: &generator)
        let key = try table.register(
            protectionDomain: 1, context: 1, access: [], start: start, lengthBytes: total, extents: extents)
        var position: UInt64 = 0
        var met: [UInt64] = []
        while position < total {
            let found = table.view.translate(
                key, address: start + position, lengthBytes: total - position, protectionDomain: 1, needs: [])
            try #require(found.fault == .none && found.contiguousBytes > 0)
            #expect(found.hostAddress == UInt(met.count + 1) << 20)
            met.append(found.contiguousBytes)
            position += found.contiguousBytes
        }
        #expect(met == lengths)
        try table.deregister(key, context: 1)
        #expect(table.count == 0)
    }
}

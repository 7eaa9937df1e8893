import TestKit
import Testing

@testable import VerbsAdapter

struct StitchPlanTests {
    private typealias Piece = StitchPlan.Piece

    private func piece(_ file: Int, _ offset: UInt64, _ length: UInt64) -> StitchPlan.Piece {
        StitchPlan.Piece(file: file, offset: offset, lengthBytes: length)
    }

    @Test func onePieceLiesWhereItIs() throws {
        let plan = try #require(StitchPlan(start: 0x7000_0123, lengthBytes: 10, pieces: [piece(0, 0x123, 10)]))
        #expect(plan.layout == .direct(file: 0, offset: 0x123))
        #expect(plan.pageOffset == 0x123)
    }

    @Test func piecesThatFollowEachOtherInAFileAreOne() throws {
        let pieces = [piece(0, 5, 100), piece(0, 105, 0), piece(0, 105, 20), piece(0, 125, 9000)]
        let plan = try #require(StitchPlan(start: 5, lengthBytes: 9120, pieces: pieces))
        #expect(plan.layout == .direct(file: 0, offset: 5))
    }

    @Test func severalPiecesAreMappedPageByPage() throws {
        let pieces = [piece(2, 0x1064, 0x1f9c), piece(0, 0, 0x10000), piece(1, 0x2000, 5000)]
        let plan = try #require(StitchPlan(start: 0x70_0000_0064, lengthBytes: 0x1f9c + 0x10000 + 5000, pieces: pieces))
        #expect(plan.pageOffset == 0x64)
        #expect(
            plan.layout
                == .stitched(
                    [
                        .init(file: 2, offset: 0x1000, position: 0, lengthBytes: 0x2000),
                        .init(file: 0, offset: 0, position: 0x2000, lengthBytes: 0x10000),
                        .init(file: 1, offset: 0x2000, position: 0x12000, lengthBytes: 0x2000),
                    ], reservedBytes: 0x14000))
    }

    @Test(
        arguments: [
            // In the page elsewhere than its address.
            (start: 0x1000, length: 10, pieces: [(0, 1, 10)]),
            // A zero-based region that begins in the middle of a page.
            (start: 0, length: 10, pieces: [(0, 100, 10)]),
            // Two files in one page.
            (start: 0, length: 200, pieces: [(0, 0, 100), (1, 100, 100)]),
            (start: 0, length: 4196, pieces: [(0, 0, 4096), (1, 100, 100)]),
            // The same file, but not what follows.
            (start: 0, length: 200, pieces: [(0, 0, 100), (0, 4196, 100)]),
            // More or less than the region.
            (start: 0, length: 4096, pieces: [(0, 0, 4095)]), (start: 0, length: 4096, pieces: [(0, 0, 4097)]),
            (start: 0, length: 10, pieces: []), (start: 0, length: 0, pieces: [(0, 0, 0)]),
            // Beyond the end of all addresses.
            (start: UInt64.max - 4095, length: 8192, pieces: [(0, 0, 8192)]),
            (start: 0, length: UInt64.max, pieces: [(0, 0, UInt64.max)]),
            (start: 0, length: 0, pieces: [(0, 0, 1 << 63), (1, 0, 1 << 63)]),
        ] as [(start: UInt64, length: UInt64, pieces: [(Int, UInt64, UInt64)])])
    func whatNoDeviceCanSeeAsOneIsRefused(start: UInt64, length: UInt64, pieces: [(Int, UInt64, UInt64)]) {
        #expect(StitchPlan(start: start, lengthBytes: length, pieces: pieces.map { piece($0, $1, $2) }) == nil)
    }

    /// Whatever the pieces are: every byte of the region comes to lie where its address says.
    @Test(arguments: Seeds.first(200))
    func everyByteIsInItsPlace(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let start = UInt64.random(in: 0..<1 << 40, using: &random)
        var position = start
        var pieces: [StitchPlan.Piece] = []
        for number in 0..<Int.random(in: 1...6, using: &random) {
            let inPage = number == 0 ? start % 4096 : 0
            let pages = UInt64.random(in: 1...4, using: &random)
            let isLast = number == 5
            let length = pages * 4096 - inPage - (isLast ? UInt64.random(in: 0..<100, using: &random) : 0)
            let offset = UInt64.random(in: 0..<16, using: &random) * 4096 + inPage
            pieces.append(piece(Int.random(in: 0..<3, using: &random), offset, length))
            position += length
        }
        let plan = try #require(
            StitchPlan(start: start, lengthBytes: position - start, pieces: pieces), "seed \(seed)")
        var inRegion: UInt64 = 0
        for piece in pieces {
            for byte in [0, piece.lengthBytes / 2, piece.lengthBytes - 1] {
                let (file, offset) = try #require(place(of: inRegion + byte, in: plan), "seed \(seed)")
                #expect(file == piece.file && offset == piece.offset + byte, "seed \(seed)")
            }
            inRegion += piece.lengthBytes
        }
        if case .stitched(let steps, let reserved) = plan.layout {
            #expect(steps.allSatisfy { ($0.offset | $0.position | $0.lengthBytes) % 4096 == 0 }, "seed \(seed)")
            #expect(steps.reduce(0) { $0 + $1.lengthBytes } == reserved, "seed \(seed)")
        }
    }

    private func place(of byte: UInt64, in plan: StitchPlan) -> (file: Int, offset: UInt64)? {
        switch plan.layout {
        case .direct(let file, let offset): return (file, offset + byte)
        case .stitched(let steps, _):
            let address = plan.pageOffset + byte
            guard let step = steps.first(where: { address >= $0.position && address < $0.position + $0.lengthBytes })
            else { return nil }
            return (step.file, step.offset + address - step.position)
        }
    }
}

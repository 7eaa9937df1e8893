/// How the pieces of a region come to lie one behind the other in the endpoint's own memory, as the device needs them.
struct StitchPlan: Equatable {
    static let pageBytes: UInt64 = 4096

    /// A piece of one file; `file` is the position of its mapping among those of the region.
    struct Piece: Equatable {
        var file: Int
        var offset: UInt64
        var lengthBytes: UInt64
    }

    /// A mapping of whole pages.
    struct Step: Equatable {
        var file: Int
        /// In the file.
        var offset: UInt64
        /// From the start of the reserved range.
        var position: UInt64
        var lengthBytes: UInt64
    }

    /// One piece lies where its file is mapped anyway; several need to be put together.
    enum Layout: Equatable {
        case direct(file: Int, offset: UInt64)
        case stitched([Step], reservedBytes: UInt64)
    }

    let layout: Layout
    /// Where the region begins in its first page.
    let pageOffset: UInt64

    /// Nil when the device cannot see the pieces as one region: its pages are the files' pages, so every piece must lie
    /// in its page as its addresses do, and no page can belong to two pieces.
    init?(start: UInt64, lengthBytes: UInt64, pieces: [Piece]) {
        guard lengthBytes > 0, !start.addingReportingOverflow(lengthBytes).overflow else { return nil }
        let fused = Self.fuse(pieces)
        guard let first = fused.first else { return nil }
        let pageMask = Self.pageBytes &- 1
        pageOffset = start & pageMask
        guard first.offset & pageMask == pageOffset else { return nil }

        var steps: [Step] = []
        var position = pageOffset
        for piece in fused {
            let isFirst = steps.isEmpty
            guard piece.lengthBytes > 0, isFirst || (position & pageMask == 0 && piece.offset & pageMask == 0) else {
                return nil
            }
            let inPage = isFirst ? pageOffset : 0
            let (end, overflow) = position.addingReportingOverflow(piece.lengthBytes)
            guard !overflow, end <= .max &- pageMask else { return nil }
            let from = position &- inPage
            steps.append(
                Step(
                    file: piece.file, offset: piece.offset &- inPage, position: from,
                    lengthBytes: Self.roundUp(end) &- from))
            position = end
        }
        guard position &- pageOffset == lengthBytes else { return nil }
        layout =
            fused.count == 1
            ? .direct(file: first.file, offset: first.offset)
            : .stitched(steps, reservedBytes: Self.roundUp(position))
    }

    private static func roundUp(_ bytes: UInt64) -> UInt64 { (bytes &+ (pageBytes &- 1)) & ~(pageBytes &- 1) }

    /// Joins pieces that follow each other in the file, too. Empty ones are left out.
    private static func fuse(_ pieces: [Piece]) -> [Piece] {
        var fused: [Piece] = []
        for piece in pieces where piece.lengthBytes > 0 {
            if let last = fused.last, last.file == piece.file, last.offset &+ last.lengthBytes == piece.offset {
                fused[fused.count - 1].lengthBytes &+= piece.lengthBytes
            } else {
                fused.append(piece)
            }
        }
        return fused
    }
}

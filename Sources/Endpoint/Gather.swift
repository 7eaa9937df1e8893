import MemoryTranslation
import Tables
import Verbs

/// Turns the ranges of a request into pieces of memory.
enum Gather {
    struct Result: BitwiseCopyable {
        var fault: Translation.Fault
        var pieceCount: Int
        /// Bytes that the pieces hold; fewer than the limit when there was no room for more pieces.
        var byteCount: UInt64
    }

    /// Checks all ranges, and finds the pieces of at most `limitBytes` behind the first `skipBytes`.
    static func pieces(
        of ranges: Block<RequestRange>, count: Int, into pieces: Block<Piece>, skipBytes: UInt64, limitBytes: UInt64,
        mappings: MappingView, protectionDomain: UInt32, needs access: AccessFlags
    ) -> Result {
        var position: UInt64 = 0
        var pieceCount = 0
        var byteCount: UInt64 = 0
        for index in 0..<count {
            let range = ranges[index]
            guard range.lengthBytes > 0 else { continue }
            let whole = mappings.translate(
                range.key, address: range.address, lengthBytes: range.lengthBytes, protectionDomain: protectionDomain,
                needs: access)
            guard whole.fault == .none else { return Result(fault: whole.fault, pieceCount: 0, byteCount: 0) }
            var cursor = max(skipBytes, position)
            let end = min(skipBytes &+ limitBytes, position &+ range.lengthBytes)
            while cursor < end, pieceCount < pieces.count {
                let part = mappings.translate(
                    range.key, address: range.address &+ (cursor &- position), lengthBytes: end &- cursor,
                    protectionDomain: protectionDomain, needs: access)
                guard part.fault == .none, part.contiguousBytes > 0 else {
                    return Result(fault: .bounds, pieceCount: 0, byteCount: 0)
                }
                let taken = min(end &- cursor, part.contiguousBytes)
                pieces[pieceCount] = Piece(hostAddress: part.hostAddress, lengthBytes: taken)
                pieceCount &+= 1
                byteCount &+= taken
                cursor &+= taken
            }
            position &+= range.lengthBytes
        }
        return Result(fault: .none, pieceCount: pieceCount, byteCount: byteCount)
    }

    /// Copies `count` bytes, which both lists hold, in order.
    static func copy(to destination: Block<Piece>, from source: Block<Piece>, count: UInt64) {
        var remaining = count
        var sourceIndex = 0
        var destinationIndex = 0
        var sourceOffset: UInt64 = 0
        var destinationOffset: UInt64 = 0
        while remaining > 0 {
            let from = source[sourceIndex]
            let to = destination[destinationIndex]
            let taken = min(remaining, min(from.lengthBytes &- sourceOffset, to.lengthBytes &- destinationOffset))
            DataCopy.copy(
                to: to.hostAddress &+ UInt(truncatingIfNeeded: destinationOffset),
                from: from.hostAddress &+ UInt(truncatingIfNeeded: sourceOffset), count: taken)
            remaining &-= taken
            sourceOffset &+= taken
            destinationOffset &+= taken
            if sourceOffset == from.lengthBytes { (sourceIndex, sourceOffset) = (sourceIndex &+ 1, 0) }
            if destinationOffset == to.lengthBytes {
                (destinationIndex, destinationOffset) = (destinationIndex &+ 1, 0)
            }
        }
    }
}

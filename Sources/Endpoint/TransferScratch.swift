import Tables
import Verbs

/// A range of a guest's memory that a request names.
struct RequestRange: BitwiseCopyable {
    var key = MemoryKey(rawValue: 0)
    var address: UInt64 = 0
    var lengthBytes: UInt64 = 0
}

/// A range of memory that was checked, in the endpoint's own address space.
struct Piece: BitwiseCopyable {
    var hostAddress: UInt = 0
    var lengthBytes: UInt64 = 0
}

/// Room for the ranges and pieces of one request, so that the engine allocates nothing.
struct TransferScratch {
    static let pieceCapacity = 512
    static let rangeCapacity = 64

    let sourceRanges = Block<RequestRange>.allocate(count: rangeCapacity, repeating: RequestRange())
    let destinationRanges = Block<RequestRange>.allocate(count: rangeCapacity, repeating: RequestRange())
    let sourcePieces = Block<Piece>.allocate(count: pieceCapacity, repeating: Piece())
    let destinationPieces = Block<Piece>.allocate(count: pieceCapacity, repeating: Piece())

    func deallocate() {
        sourceRanges.deallocate()
        destinationRanges.deallocate()
        sourcePieces.deallocate()
        destinationPieces.deallocate()
    }
}

import Glibc
import LinuxIO
import SharedMemory
import Verbs

/// Shared memory for queue headers, ring entries and extent tables: regions that the endpoint has mapped, cut into
/// pieces. Not thread-safe: the context's lock protects it.
@usableFromInline
struct RingMemory {
    /// A piece of zeroed memory, aligned to a cache line.
    @usableFromInline
    struct Piece {
        let address: UnsafeMutableRawPointer
        let sizeBytes: Int
        let region: UInt32
        let offset: UInt64
    }

    /// Gives a region to the endpoint and takes it back.
    struct Attacher {
        let attach: (FileDescriptor) throws(Errno) -> UInt32
        let detach: (UInt32) -> Void
    }

    private struct Region {
        let identifier: UInt32
        let mapping: Mapping
        let file: SharedMemoryFile
        var allocator: FirstFitAllocator
        /// Made for one piece, and given up with it.
        let isForOnePiece: Bool
        /// Nothing from here on was ever given out, so that it reads as zero and takes no memory.
        var untouchedFrom: Int
    }

    /// The size of a region for many pieces.
    static let regionBytes = 4 << 20
    private static let alignmentBytes = 64
    private var regions: [Region]

    /// Starts with the part of `mapping` from `reservedBytes` on, which is attached as `identifier` already.
    init(_ mapping: Mapping, identifier: UInt32, reservedBytes: Int) throws(Errno) {
        let allocator = FirstFitAllocator(
            offset: reservedBytes, sizeBytes: mapping.sizeBytes - reservedBytes, alignmentBytes: Self.alignmentBytes)
        regions = [
            Region(
                identifier: identifier, mapping: mapping, file: try Self.file(of: mapping), allocator: allocator,
                isForOnePiece: false, untouchedFrom: 0)
        ]
    }

    /// Memory that reads as zero. A new region is attached when nothing fits.
    mutating func allocate(sizeBytes: Int, _ attacher: Attacher) throws(Errno) -> Piece {
        for index in regions.indices {
            guard let offset = regions[index].allocator.allocate(sizeBytes: sizeBytes) else { continue }
            return piece(index, offset, sizeBytes)
        }
        let isLarge = sizeBytes > Self.regionBytes / 2
        let pageMask = 4095
        let regionBytes = isLarge ? (sizeBytes + pageMask) & ~pageMask : Self.regionBytes
        let mapping = try Mapping(name: "vrdma-rings", sizeBytes: regionBytes)
        let file = try Self.file(of: mapping)
        let identifier = try attacher.attach(mapping.file)
        var allocator = FirstFitAllocator(sizeBytes: regionBytes, alignmentBytes: Self.alignmentBytes)
        let offset = allocator.allocate(sizeBytes: sizeBytes) ?? 0
        regions.append(
            Region(
                identifier: identifier, mapping: mapping, file: file, allocator: allocator, isForOnePiece: isLarge,
                untouchedFrom: 0))
        return piece(regions.count - 1, offset, sizeBytes)
    }

    /// Gives a piece back; the endpoint must have stopped using it.
    mutating func release(_ piece: Piece, _ attacher: Attacher) {
        guard let index = regions.firstIndex(where: { $0.identifier == piece.region }) else { return }
        if regions[index].isForOnePiece {
            attacher.detach(piece.region)
            regions.remove(at: index)
        } else {
            regions[index].allocator.release(offset: Int(piece.offset), sizeBytes: piece.sizeBytes)
        }
    }

    private static func file(of mapping: Mapping) throws(Errno) -> SharedMemoryFile {
        try SharedMemoryFile(mapping.file, sizeBytes: mapping.sizeBytes, purpose: .queues)
    }

    private mutating func piece(_ index: Int, _ offset: Int, _ sizeBytes: Int) -> Piece {
        let address = regions[index].mapping.base + offset
        let usedBytes = min(max(regions[index].untouchedFrom - offset, 0), sizeBytes)
        memset(address, 0, usedBytes)
        regions[index].untouchedFrom = max(regions[index].untouchedFrom, offset + sizeBytes)
        return Piece(
            address: address, sizeBytes: sizeBytes, region: regions[index].identifier, offset: UInt64(offset))
    }
}

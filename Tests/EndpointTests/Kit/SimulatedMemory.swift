import CVRDMAABI
import SharedMemory
import Verbs

/// A memfd of an application that the endpoint has mapped too, given out piece by piece.
final class SimulatedMemory {
    let region: UInt32
    let mapping: Mapping
    private var used: Int

    init(region: UInt32, mapping: Mapping, used: Int = 0) {
        self.region = region
        self.mapping = mapping
        self.used = used
    }

    /// The offset of a new piece.
    func allocate(_ sizeBytes: Int, alignment: Int = 64) throws(Errno) -> Int {
        let offset = (used + alignment - 1) / alignment * alignment
        guard offset + sizeBytes <= mapping.sizeBytes else { throw .outOfMemory }
        used = offset + sizeBytes
        return offset
    }

    func read(at offset: Int, count: Int) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: mapping.base + offset, count: count))
    }

    func write(_ bytes: [UInt8], at offset: Int) {
        bytes.withUnsafeBytes {
            UnsafeMutableRawBufferPointer(start: mapping.base + offset, count: $0.count).copyMemory(from: $0)
        }
    }

    func name(_ offset: Int) -> vrdma_memory_name {
        vrdma_memory_name(region: region, reserved: 0, offset: UInt64(offset))
    }

    func extent(_ offset: Int, _ length: Int) -> vrdma_extent {
        vrdma_extent(region: region, reserved: 0, offset: UInt64(offset), length: UInt64(length))
    }
}

/// A registered memory region, with its bytes in the order of its addresses.
struct RegisteredBuffer {
    struct Piece {
        var memory: SimulatedMemory
        var offset: Int
        var length: Int
    }

    let key: UInt32
    /// The address that requests use.
    let start: UInt64
    let pieces: [Piece]

    var count: Int { pieces.reduce(0) { $0 + $1.length } }

    /// A scatter/gather element.
    func element(_ offset: Int = 0, _ length: Int? = nil) -> vrdma_sge {
        vrdma_sge(address: start &+ UInt64(offset), length: UInt32(length ?? count - offset), lkey: key)
    }

    func address(_ offset: Int) -> UInt64 { start &+ UInt64(offset) }

    /// All bytes.
    var bytes: [UInt8] { pieces.flatMap { $0.memory.read(at: $0.offset, count: $0.length) } }

    func bytes(_ range: Range<Int>) -> [UInt8] {
        var result: [UInt8] = []
        forEach(range) { piece, offset, _, length in
            result += piece.memory.read(at: piece.offset + offset, count: length)
        }
        return result
    }

    func write(_ bytes: [UInt8], at position: Int = 0) {
        forEach(position..<position + bytes.count) { piece, offset, done, length in
            piece.memory.write(Array(bytes[done..<done + length]), at: piece.offset + offset)
        }
    }

    func word(at position: Int) -> UInt64 {
        bytes(position..<position + 8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    func write(word: UInt64, at position: Int) {
        write((0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }, at: position)
    }

    /// Calls with a piece, an offset in it, how many bytes came before, and how many lie here.
    private func forEach(_ range: Range<Int>, _ body: (Piece, Int, Int, Int) -> Void) {
        var start = 0
        for piece in pieces {
            let low = max(range.lowerBound, start)
            let high = min(range.upperBound, start + piece.length)
            if low < high { body(piece, low - start, low - range.lowerBound, high - low) }
            start += piece.length
        }
    }
}

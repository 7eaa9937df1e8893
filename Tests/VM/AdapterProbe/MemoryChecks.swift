import CVRDMAABI
import Endpoint
import SharedMemory
import Verbs

extension AdapterProbe {
    private static func piece(_ mapping: Mapping, _ offset: UInt64, _ length: UInt64) -> HostRegistration.Piece {
        HostRegistration.Piece(mapping: mapping, offset: offset, lengthBytes: length)
    }

    /// A region of three files, with a first and a last page that it has only in part.
    static func stitchedMemory(_ bench: Bench) throws {
        let pair = try Pair(bench)
        let files = try (0..<3).map { _ in try Mapping(name: "piece", sizeBytes: 65_536) }
        let start: UInt64 = 0x7000_0000_0064
        let pieces = [
            piece(files[2], 4096 + 0x64, 8192 - 0x64), piece(files[2], 12_288, 4096), piece(files[0], 0, 65_536),
            piece(files[1], 8192, 5000),
        ]
        let stitched = try bench.register(pieces, start: start)
        let count = Int(pieces.reduce(0) { $0 + $1.lengthBytes })
        let from = try bench.buffer(1 << 17)
        from.fill(9)
        var request = HostSendRequest(index: 0, opcode: .rdmaWrite)
        request.isSignaled = true
        request.remoteAddress = start
        request.remoteKey = stitched.remoteKey
        try expect(bench.post(pair.a, request, [from.element(0, count)]), "not taken")
        try succeed(bench, index: 0, "WRITE")
        var position = 0
        for piece in pieces {
            for place in 0..<Int(piece.lengthBytes) {
                let byte = piece.mapping.base.load(fromByteOffset: Int(piece.offset) + place, as: UInt8.self)
                try expect(byte == Buffer.byte(9, position), "byte \(position) is wrong")
                position += 1
            }
        }
        try expect(files[2].base.load(fromByteOffset: 4096 + 0x63, as: UInt8.self) == 0, "the byte before is written")
        try expect(files[1].base.load(fromByteOffset: 8192 + 5000, as: UInt8.self) == 0, "the byte behind is written")

        // And from it, by its own addresses.
        let to = try bench.buffer(1 << 17)
        request.index = 1
        request.remoteAddress = to.start
        request.remoteKey = to.memory.remoteKey
        let element = vrdma_sge(address: start + 100, length: UInt32(count - 100), lkey: stitched.localKey)
        try expect(bench.post(pair.a, request, [element]), "not taken")
        try succeed(bench, index: 1, "WRITE from the region")
        try expect(to.holds(9, from: 100, count: count - 100), "the bytes are wrong")

        // No byte beyond the end.
        request.index = 2
        request.remoteAddress = start + UInt64(count) - 1
        request.remoteKey = stitched.remoteKey
        try expect(bench.post(pair.a, request, [from.element(0, 2)]), "not taken")
        let refused = try bench.nextCompletion()
        try expect(refused.status == WorkCompletionStatus.remoteAccessError.rawValue, "\(refused)")
        bench.turn()
        say("  events: \(bench.takeEvents())")
        try bench.deregister(stitched)
    }

    static func refusedPieces(_ bench: Bench) throws {
        let a = try Mapping(name: "a", sizeBytes: 65_536)
        let b = try Mapping(name: "b", sizeBytes: 65_536)
        func refusal(_ pieces: [HostRegistration.Piece], start: UInt64) throws -> Errno? {
            do {
                try bench.deregister(try bench.register(pieces, start: start))
                return nil
            } catch let error as Errno {
                return error
            }
        }
        try expect(try refusal([piece(a, 1, 10)], start: 0x1000) == .invalidArgument, "an address beside its page")
        try expect(try refusal([piece(a, 0, 100), piece(b, 100, 100)], start: 0) == .invalidArgument, "a shared page")
        try expect(try refusal([piece(a, 0, 65_537)], start: 0) == .badAddress, "bytes beyond a file")
        try expect(try refusal([], start: 0) == .invalidArgument, "no bytes")
        try expect(try refusal([piece(a, 5, 100), piece(a, 105, 100)], start: 5) == nil, "pieces of one file")
        try expect(try refusal([piece(a, 0, 4096), piece(b, 0, 4096)], start: 0) == nil, "zero-based, two files")
    }
}

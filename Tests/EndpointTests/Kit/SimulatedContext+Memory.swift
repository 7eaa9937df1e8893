import CVRDMAABI
import SharedMemory
import Verbs

/// Memory regions.
extension SimulatedContext {
    static let everyAccess: AccessFlags = [.localWrite, .remoteWrite, .remoteRead, .remoteAtomic]

    /// Registers new memory of the context.
    func register(
        _ sizeBytes: Int, protectionDomain: UInt32, access: AccessFlags = everyAccess, alignment: Int = 64
    ) throws -> RegisteredBuffer {
        let offset = try memory.allocate(sizeBytes, alignment: alignment)
        return try register(
            [.init(memory: memory, offset: offset, length: sizeBytes)], protectionDomain: protectionDomain,
            access: access)
    }

    /// Registers pieces of memory one behind the other.
    func register(
        _ pieces: [RegisteredBuffer.Piece], start: UInt64? = nil, protectionDomain: UInt32,
        access: AccessFlags = everyAccess
    ) throws(Errno) -> RegisteredBuffer {
        let length = pieces.reduce(0) { $0 + $1.length }
        let start = start ?? newAddress(length)
        var request = vrdma_reg_mr_command()
        request.start = start
        request.length = UInt64(length)
        request.pd = protectionDomain
        request.access = access.rawValue
        request.extent_count = UInt32(pieces.count)
        let extents = pieces.map { $0.memory.extent($0.offset, $0.length) }
        if extents.count <= Int(VRDMA_INLINE_EXTENTS) {
            withUnsafeMutableBytes(of: &request.extents) { place in
                extents.withUnsafeBytes { place.copyMemory(from: $0) }
            }
        } else {
            let bytes = extents.count * MemoryLayout<vrdma_extent>.stride
            let table = try memory.allocate(bytes)
            extents.withUnsafeBytes { memory.write(Array($0), at: table) }
            request.extents.0 = memory.extent(table, bytes)
        }
        return RegisteredBuffer(key: try register(request), start: start, pieces: pieces)
    }

    /// Registers as a command says; returns the key.
    func register(_ request: vrdma_reg_mr_command) throws(Errno) -> UInt32 {
        let reply = try command(VRDMA_OP_REG_MR, request)
        guard let registered = reply.payload(as: vrdma_reg_mr_reply.self), registered.lkey == registered.rkey else {
            throw .protocolError
        }
        return registered.lkey
    }

    func deregister(_ buffer: RegisteredBuffer) throws(Errno) {
        try command(VRDMA_OP_DEREG_MR, handle: buffer.key)
    }

    /// A region whose bytes lie scattered over the context's memory, in pieces of random lengths.
    func registerScattered(
        _ lengths: [Int], protectionDomain: UInt32, access: AccessFlags = everyAccess,
        using generator: inout SeededGenerator
    ) throws -> RegisteredBuffer {
        var pieces: [RegisteredBuffer.Piece] = []
        for position in lengths.indices.shuffled(using: &generator) {
            // A gap of at least one byte keeps neighbours apart.
            let offset = try memory.allocate(lengths[position] + 1, alignment: 1)
            pieces.append(.init(memory: memory, offset: offset, length: lengths[position]))
        }
        return try register(pieces.shuffled(using: &generator), protectionDomain: protectionDomain, access: access)
    }
}

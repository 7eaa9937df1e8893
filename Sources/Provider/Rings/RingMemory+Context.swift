import CVRDMAABI
import LinuxIO
import Verbs

extension RingMemory.Piece {
    /// How commands name it.
    var name: vrdma_memory_name { vrdma_memory_name(region: region, reserved: 0, offset: offset) }
}

extension ProviderContext {
    /// Ring memory, with the context's lock held.
    func allocateRing(_ sizeBytes: Int) throws(Errno) -> RingMemory.Piece {
        try ringMemory.allocate(sizeBytes: sizeBytes, ringAttacher)
    }

    func releaseRing(_ piece: RingMemory.Piece) {
        ringMemory.release(piece, ringAttacher)
    }

    private var ringAttacher: RingMemory.Attacher {
        RingMemory.Attacher(
            attach: { [self] file throws(Errno) in try attachRegion(file) },
            detach: { [self] region in detachRegion(region) })
    }

    /// Gives a sealed memfd to the endpoint; the result is the region's number.
    func attachRegion(_ file: FileDescriptor) throws(Errno) -> UInt32 {
        try call(
            VRDMA_OP_ATTACH_REGION, vrdma_handle_command(), descriptors: [file.rawValue],
            reply: vrdma_attach_region_reply.self
        ).region
    }

    func detachRegion(_ region: UInt32) {
        _ = try? call(VRDMA_OP_DETACH_REGION, vrdma_handle_command(handle: region, index: 0))
    }
}

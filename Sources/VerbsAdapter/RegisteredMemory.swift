import CRDMACore
import Endpoint
import SharedMemory
import Verbs

/// Guests' memory that is registered with the device, and what must stay mapped as long as it is.
final class RegisteredMemory {
    private let real: UnsafeMutablePointer<ibv_mr>
    private let mappings: [Mapping]
    private let stitched: StitchedMemory?
    /// Mappings that it took to put the pieces together.
    let stitchedPieces: Int
    let localKey: UInt32
    let remoteKey: UInt32

    /// - Parameter pieceLimit: mappings that it may take.
    init(
        _ registration: HostRegistration, in domain: UnsafeMutablePointer<ibv_pd>, pieceLimit: Int
    ) throws(Errno) {
        var files: [Mapping] = []
        var positions: [ObjectIdentifier: Int] = [:]
        var pieces: [StitchPlan.Piece] = []
        for piece in registration.pieces {
            guard piece.mapping.contains(offset: piece.offset, count: piece.lengthBytes) else { throw .badAddress }
            let identity = ObjectIdentifier(piece.mapping)
            let file = positions[identity] ?? files.count
            if file == files.count {
                positions[identity] = file
                files.append(piece.mapping)
            }
            pieces.append(StitchPlan.Piece(file: file, offset: piece.offset, lengthBytes: piece.lengthBytes))
        }
        guard let plan = StitchPlan(start: registration.start, lengthBytes: registration.lengthBytes, pieces: pieces),
            let lengthBytes = Int(exactly: registration.lengthBytes)
        else { throw .invalidArgument }

        let address: UnsafeMutableRawPointer
        switch plan.layout {
        case .direct(let file, let offset):
            address = files[file].base + Int(truncatingIfNeeded: offset)
            stitched = nil
            stitchedPieces = 0
        case .stitched(let steps, let reservedBytes):
            guard steps.count <= pieceLimit else { throw .outOfMemory }
            let memory = try StitchedMemory(steps, reservedBytes: reservedBytes, files: files)
            address = memory.base + Int(truncatingIfNeeded: plan.pageOffset)
            stitched = memory
            stitchedPieces = steps.count
        }
        let access = registration.access
        guard
            let real = ibv_reg_mr_iova2(domain, address, lengthBytes, registration.start, access.ofDevice.rawValue)
        else { throw .ofDevice }
        self.real = real
        mappings = files
        localKey = real.pointee.lkey
        remoteKey = access.isDisjoint(with: .remote) ? 0 : real.pointee.rkey
    }

    /// Ends the device's access, before the last reference is dropped.
    func deregister() {
        // The kernel has no reason to refuse while no memory window is bound; a device that is gone has forgotten it.
        ibv_dereg_mr(real)
    }
}

extension AccessFlags {
    fileprivate static let remote: AccessFlags = [.remoteRead, .remoteWrite, .remoteAtomic]

    /// What the device is told. The address 0 makes a region zero-based, and the memory is of ordinary pages.
    fileprivate var ofDevice: AccessFlags {
        intersection(Self.remote.union([.localWrite, .optionalMask]))
    }
}

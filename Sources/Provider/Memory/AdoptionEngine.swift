import CLinux
import Glibc
import LinuxIO
import Verbs

/// Makes memory of this process shareable with the endpoint, where it is: what is private is *adopted*, moved into a file
/// and mapped again at the same address. docs/memory.md says how, and what that changes for the application.
///
/// What is adopted is never remembered by address: the system's own record of mappings is asked each time, so that
/// memory that was unmapped, moved or mapped anew in between is found as it is. All state is protected by
/// `ForkGuard.mutex`.
final class AdoptionEngine: @unchecked Sendable {
    /// The one of this process: memory can be adopted only once.
    static let shared = AdoptionEngine()

    let limits: AdoptionLimits
    var arenas: [AdoptionArena] = []
    /// Files that are not arenas: shared allocations.
    var otherFiles: [MemoryFileIdentity: SharedMemoryFile] = [:]
    /// What memory regions use.
    var pinnedExtents: [ObjectIdentifier: [FileExtent]] = [:]
    /// Adopted since the last sweep, and what was in use after it.
    var adoptedBytes = 0
    var liveBytes = 0
    /// Pieces that may be adopted before mappings are counted again.
    var piecesBeforeCount = 0
    /// Rises when a file is retired.
    var retirements = 0
    /// Pieces during whose move a write of another thread may have been lost.
    var unprotectedPieces = 0
    /// The process in which all this is true: a child of fork(2) starts anew.
    private var forkGeneration = ForkGuard.generation

    init(limits: AdoptionLimits = AdoptionLimits()) {
        self.limits = limits
        ForkGuard.install()
    }

    /// Finds or makes the shared memory behind a range of addresses, and keeps it until the pin is released.
    ///
    /// Throws `EINVAL` for an empty range or one that wraps, `EFAULT` when a part is not mapped, cannot be read, or cannot
    /// be written although `needsWrite`; `EOPNOTSUPP` when a part cannot be adopted; `ENOMEM` at a limit.
    func pin(address: UInt, lengthBytes: UInt64, needsWrite: Bool) throws(Errno) -> MemoryPin {
        let (end, overflow) = UInt64(address).addingReportingOverflow(lengthBytes)
        guard lengthBytes > 0, !overflow, end <= UInt64.max - 4095 else { throw .invalidArgument }
        ForkGuard.mutex.lock()
        defer { ForkGuard.mutex.unlock() }
        forgetParent()
        let pageStart = UInt64(address) & ~4095
        let pageEnd = (end + 4095) & ~4095
        // Another thread may change mappings meanwhile; that is its fault, but not for ever.
        for _ in 0..<4 {
            let mappings = try AddressSpace.mappings(from: pageStart, to: pageEnd)
            try Self.checkRights(mappings, from: pageStart, to: pageEnd, needsWrite: needsWrite)
            if let extents = extents(of: mappings, from: UInt64(address), to: end) {
                return pin(extents)
            }
            for mapping in mappings where file(of: mapping) == nil { try Self.checkAdoptable(mapping) }
            for mapping in mappings where file(of: mapping) == nil { try adopt(mapping) }
        }
        throw .badAddress
    }

    /// Keeps extents, for as long as `owner` lives too.
    func pin(_ extents: [FileExtent], owner: AnyObject? = nil) -> MemoryPin {
        let pin = MemoryPin(extents, engine: self, owner: owner)
        for extent in extents { extent.file.pinCount += 1 }
        pinnedExtents[ObjectIdentifier(pin)] = extents
        return pin
    }

    /// Lets the memory of a pin go. It stays adopted.
    func unpin(_ pin: MemoryPin) {
        ForkGuard.mutex.withLock {
            guard let extents = pinnedExtents.removeValue(forKey: ObjectIdentifier(pin)) else { return }
            for extent in extents { extent.file.pinCount -= 1 }
        }
    }

    /// The file of ours that a mapping shows.
    func file(of mapping: clinux_mapping) -> SharedMemoryFile? {
        guard mapping.is_shared, mapping.inode != 0 else { return nil }
        let identity = MemoryFileIdentity(device: mapping.device, inode: mapping.inode)
        if let arena = arenas.first(where: { $0.file.identity == identity }) { return arena.file }
        return otherFiles[identity]
    }

    /// The extents of [start, end) when all of it lies in files of ours; neighbours that continue each other are one.
    private func extents(of mappings: [clinux_mapping], from start: UInt64, to end: UInt64) -> [FileExtent]? {
        var extents: [FileExtent] = []
        for mapping in mappings {
            guard let file = file(of: mapping) else { return nil }
            let first = max(mapping.start, start)
            let offset = mapping.offset + (first - mapping.start)
            let length = min(mapping.end, end) - first
            guard offset <= UInt64(file.sizeBytes), length <= UInt64(file.sizeBytes) - offset else { return nil }
            if let last = extents.last, last.file === file, last.offset + last.lengthBytes == offset {
                extents[extents.count - 1].lengthBytes += length
            } else {
                extents.append(FileExtent(file: file, offset: offset, lengthBytes: length))
            }
        }
        return extents
    }

    /// As pinning for a device does (ibv_reg_mr(3), get_user_pages): memory that a peer may write must be writable.
    private static func checkRights(
        _ mappings: [clinux_mapping], from start: UInt64, to end: UInt64, needsWrite: Bool
    ) throws(Errno) {
        var position = start
        let needed = needsWrite ? PROT_WRITE : PROT_READ
        for mapping in mappings {
            guard mapping.start == position, mapping.protection & needed != 0 else { throw .badAddress }
            position = mapping.end
        }
        guard position == end else { throw .badAddress }
    }

    private static func checkAdoptable(_ mapping: clinux_mapping) throws(Errno) {
        let isPrivateMemory =
            mapping.kind == CLINUX_MAPPING_PLAIN.rawValue || mapping.kind == CLINUX_MAPPING_HEAP.rawValue
        guard !mapping.is_shared, isPrivateMemory, mapping.protection & PROT_EXEC == 0 else { throw .notSupported }
    }

    /// In the child of a fork nothing is adopted: `ForkGuard` has made everything private.
    private func forgetParent() {
        guard forkGeneration != ForkGuard.generation else { return }
        forkGeneration = ForkGuard.generation
        arenas = []
        otherFiles = [:]
        pinnedExtents = [:]
        (adoptedBytes, liveBytes) = (0, 0)
        piecesBeforeCount = 0
    }
}

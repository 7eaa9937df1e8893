import CLinux
import Glibc
import LinuxIO
import Verbs

extension AdoptionEngine {
    /// Moves one mapping, or the part of it that was asked for, into an arena.
    func adopt(_ mapping: clinux_mapping) throws(Errno) {
        let byteCount = Int(mapping.end - mapping.start)
        try countMappings()
        if adoptedBytes + byteCount > max(limits.sweepBytes, liveBytes) { sweep() }
        let pageCount = byteCount / AdoptionArena.pageBytes
        // realloc(3) and other callers of mremap(2) that let a mapping of a file grow would get pages of the file that
        // belong to somebody else. mremap refuses a range of two mappings, so the last page is kept apart, and single
        // pages are spread. What brk(2) manages is never moved.
        let isHeap = mapping.kind == CLINUX_MAPPING_HEAP.rawValue
        let keepsLastPageApart = pageCount > 1 && !isHeap
        let place = try reserve(
            pageCount: keepsLastPageApart ? pageCount + 1 : pageCount,
            mirroring: keepsLastPageApart ? nil : .init(address: UInt(mapping.start), isSpread: !isHeap))
        adoptedBytes += byteCount
        if keepsLastPageApart {
            var body = mapping
            body.end -= UInt64(AdoptionArena.pageBytes)
            try move(body, to: place.file, page: place.page)
            var last = mapping
            last.start = body.end
            try move(last, to: place.file, page: place.page + pageCount)
        } else {
            try move(mapping, to: place.file, page: place.page)
        }
    }

    /// Stops well before the system's limit of mappings (vm.max_map_count), at which the application could neither
    /// allocate memory nor start threads or children. What is adopted stays so, and counts.
    private func countMappings() throws(Errno) {
        if piecesBeforeCount == 0 {
            let room = limits.mappingCount - Int(try check { clinux_mapping_count() })
            guard room > 0 else { throw .outOfMemory }
            // A piece adds three mappings at the most: itself, its last page, and the rest of what it was part of.
            piecesBeforeCount = max(1, room / 4)
        }
        piecesBeforeCount -= 1
    }

    private func move(_ mapping: clinux_mapping, to file: SharedMemoryFile, page: Int) throws(Errno) {
        var adoption = clinux_adoption()
        adoption.address = mapping.start
        adoption.length = mapping.end - mapping.start
        adoption.offset = UInt64(page * AdoptionArena.pageBytes)
        adoption.file = file.file.rawValue
        adoption.protection = mapping.protection
        adoption.is_anonymous = mapping.inode == 0
        adoption.protect_writes = !clinux_single_threaded()
        let result = clinux_adopt(&adoption)
        if result == CLINUX_ADOPTED_UNPROTECTED.rawValue { unprotectedPieces += 1 }
        guard result < 0 else { return }
        // What was moved before the error is found as adopted; what was only copied is found unused by the next sweep.
        switch -result {
        case ENOMEM, ENOSPC, EAGAIN: throw .outOfMemory
        case EFAULT: throw .badAddress
        default: throw .notSupported
        }
    }

    private func reserve(
        pageCount: Int, mirroring mirror: AdoptionArena.Mirror?
    ) throws(Errno) -> (file: SharedMemoryFile, page: Int) {
        let byteCount = pageCount * AdoptionArena.pageBytes
        let isLarge = byteCount > limits.ownFileBytes
        if !isLarge {
            for index in arenas.indices where !arenas[index].isForOnePiece {
                if let page = arenas[index].take(pageCount, mirroring: mirror) { return (arenas[index].file, page) }
            }
        }
        var arena = try AdoptionArena(
            sizeBytes: isLarge ? byteCount : max(limits.arenaBytes, byteCount), isForOnePiece: isLarge)
        let page = arena.take(pageCount, mirroring: mirror)
        arenas.append(arena)
        guard let page else { throw .outOfMemory }
        return (arena.file, page)
    }
}

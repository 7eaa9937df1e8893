import LinuxIO
import Verbs

extension AdoptionEngine {
    /// Gives memory back that is neither mapped any more nor part of a memory region.
    ///
    /// Another thread may move a mapping (mremap(2)) downwards past the place where this one looks, so that one look
    /// misses it: what two looks in a row miss is unused.
    ///
    /// - Parameter includingArenas: also files for many pieces in which nothing lies now; the next piece makes a new one.
    func sweep(includingArenas: Bool = false) {
        var used = arenas.map { PageRuns(pageCount: $0.pages.pageCount) }
        do throws(Errno) {
            for _ in 0..<2 { try markMapped(&used) }
        } catch {
            // Without a list of mappings nothing can be known to be unused.
            return
        }
        markPinned(&used)
        for index in arenas.indices {
            for run in arenas[index].pages.runs(missingIn: used[index]) { release(run, of: index) }
        }
        dropUnusedFiles(includingArenas)
        liveBytes = arenas.reduce(0) { $0 + $1.pages.takenCount * AdoptionArena.pageBytes }
        adoptedBytes = 0
    }

    /// Gives back all that can be, because the endpoint has no room.
    func giveBack() {
        ForkGuard.mutex.withLock { sweep(includingArenas: true) }
    }

    private func markMapped(_ used: inout [PageRuns]) throws(Errno) {
        var indices: [MemoryFileIdentity: Int] = [:]
        for (index, arena) in arenas.enumerated() { indices[arena.file.identity] = index }
        try AddressSpace.forEachSharedFile { mapping in
            let identity = MemoryFileIdentity(device: mapping.device, inode: mapping.inode)
            guard let index = indices[identity] else { return }
            used[index].mark(Self.pages(mapping.offset, mapping.end - mapping.start))
        }
    }

    private func markPinned(_ used: inout [PageRuns]) {
        for extents in pinnedExtents.values {
            for extent in extents {
                guard let index = arenas.firstIndex(where: { $0.file === extent.file }) else { continue }
                used[index].mark(Self.pages(extent.offset, extent.lengthBytes))
            }
        }
    }

    private func release(_ run: Range<Int>, of index: Int) {
        let bytes = AdoptionArena.pageBytes
        do throws(Errno) {
            try MemoryFile.discard(
                arenas[index].file.file, offset: run.lowerBound * bytes, sizeBytes: run.count * bytes)
            // Only pages that read as zero are free.
            arenas[index].pages.release(run)
        } catch {}
    }

    private func dropUnusedFiles(_ includingArenas: Bool) {
        arenas.removeAll { arena in
            guard arena.isForOnePiece || includingArenas, arena.pages.takenCount == 0 else { return false }
            retire(arena.file)
            return true
        }
    }

    /// Lets contexts give the region up.
    func retire(_ file: SharedMemoryFile) {
        file.isRetired = true
        retirements += 1
    }

    private static func pages(_ offset: UInt64, _ lengthBytes: UInt64) -> Range<Int> {
        let bytes = UInt64(AdoptionArena.pageBytes)
        let first = Int(clamping: offset / bytes)
        let end = Int(clamping: (offset &+ lengthBytes &+ bytes &- 1) / bytes)
        return first..<max(first, end)
    }
}

import LinuxIO
import SharedMemory
import Verbs

/// The files of `SharedAllocation`s: small ones share a file, a large one has its own.
final class SharedAllocationPool: @unchecked Sendable {
    static let shared = SharedAllocationPool(engine: .shared)

    private struct PoolFile {
        let file: SharedMemoryFile
        let mapping: Mapping
        var pages: PageRuns
        let isForOne: Bool
    }

    static let poolFileBytes = 16 << 20
    private static let pageBytes = AdoptionArena.pageBytes
    private let engine: AdoptionEngine
    /// Protected by `ForkGuard.mutex`.
    private var files: [PoolFile] = []

    init(engine: AdoptionEngine) {
        self.engine = engine
    }

    /// Memory that reads as zero. Throws `EINVAL` for no bytes and `ENOMEM` when there is none.
    func allocate(sizeBytes: Int) throws(Errno) -> SharedAllocation {
        guard sizeBytes > 0, sizeBytes <= Int.max - Self.pageBytes else { throw .invalidArgument }
        let pageCount = (sizeBytes + Self.pageBytes - 1) / Self.pageBytes
        ForkGuard.mutex.lock()
        defer { ForkGuard.mutex.unlock() }
        for index in files.indices where !files[index].isForOne {
            guard let page = files[index].pages.take(pageCount) else { continue }
            return allocation(index, page, sizeBytes)
        }
        let isForOne = pageCount * Self.pageBytes > Self.poolFileBytes / 2
        let fileBytes = isForOne ? pageCount * Self.pageBytes : Self.poolFileBytes
        let mapping = try Mapping(name: "vrdma-buffers", sizeBytes: fileBytes)
        let file = try SharedMemoryFile(mapping.file, sizeBytes: fileBytes, purpose: .allocation)
        var pages = PageRuns(pageCount: fileBytes / Self.pageBytes)
        guard let page = pages.take(pageCount) else { throw .outOfMemory }
        files.append(PoolFile(file: file, mapping: mapping, pages: pages, isForOne: isForOne))
        engine.otherFiles[file.identity] = file
        return allocation(files.count - 1, page, sizeBytes)
    }

    /// Gives the pages back to the system.
    func release(_ file: SharedMemoryFile, offset: Int, sizeBytes: Int) {
        ForkGuard.mutex.lock()
        defer { ForkGuard.mutex.unlock() }
        guard let index = files.firstIndex(where: { $0.file === file }) else { return }
        if files[index].isForOne {
            files.remove(at: index)
            engine.otherFiles[file.identity] = nil
            engine.retire(file)
            return
        }
        let first = offset / Self.pageBytes
        let end = (offset + sizeBytes + Self.pageBytes - 1) / Self.pageBytes
        do throws(Errno) {
            try MemoryFile.discard(
                file.file, offset: first * Self.pageBytes, sizeBytes: (end - first) * Self.pageBytes)
            // Only pages that read as zero are free.
            files[index].pages.release(first..<end)
        } catch {}
    }

    private func allocation(_ index: Int, _ page: Int, _ sizeBytes: Int) -> SharedAllocation {
        SharedAllocation(
            file: files[index].file, mapping: files[index].mapping, offset: page * Self.pageBytes,
            sizeBytes: sizeBytes, pool: self)
    }
}

import LinuxIO
import Verbs

import LinuxIO
import Verbs

/// A file into which private memory is moved, page by page. Free pages read as zero.
///
/// Pages at addresses near each other get places near each other (`take(_:mirroring:)`), so that pieces that are adopted
/// one after the other become one mapping again: the number of mappings of a process is limited (vm.max_map_count).
struct AdoptionArena {
    static let pageBytes = 4096
    /// Addresses that agree in all bits above these are near each other.
    static let windowBytes = 2 << 20
    /// A mirrored address, and whether mappings may join without an end.
    struct Mirror {
        var address: UInt
        /// Places skip a page after each `spreadPages`, so that no mapping is longer.
        var isSpread: Bool
    }

    /// Half of the smallest block that malloc(3) maps by itself and moves with mremap(2), which is 128 KiB: such a block
    /// has pages on both sides of a skipped one.
    static let spreadPages = 16
    private static let pagesPerWindow = windowBytes / pageBytes
    private static let placesPerWindow = pagesPerWindow + pagesPerWindow / spreadPages

    let file: SharedMemoryFile
    /// Made for one large piece, and given up with it.
    let isForOnePiece: Bool
    var pages: PageRuns
    /// Windows of addresses, in the order of their places.
    private var windows: [UInt] = []

    init(sizeBytes: Int, isForOnePiece: Bool) throws(Errno) {
        let descriptor = try MemoryFile.create(name: "vrdma-adopted", sizeBytes: sizeBytes)
        file = try SharedMemoryFile(descriptor, sizeBytes: sizeBytes, purpose: .adoption)
        pages = PageRuns(pageCount: sizeBytes / Self.pageBytes)
        self.isForOnePiece = isForOnePiece
    }

    /// Places for `count` pages: those that mirror their address where these are free, else the first that are. Returns
    /// the first page, or nil when the arena is full.
    mutating func take(_ count: Int, mirroring mirror: Mirror?) -> Int? {
        guard let mirror else { return pages.take(count) }
        let window = mirror.address / UInt(Self.windowBytes)
        let pageInWindow = Int(mirror.address % UInt(Self.windowBytes)) / Self.pageBytes
        if pageInWindow + count <= Self.pagesPerWindow, let index = windowIndex(window) {
            let skipped = mirror.isSpread ? pageInWindow / Self.spreadPages : 0
            let page = index * Self.placesPerWindow + pageInWindow + skipped
            if pages.take(count, at: page) { return page }
        }
        return pages.take(count)
    }

    private mutating func windowIndex(_ window: UInt) -> Int? {
        if let index = windows.firstIndex(of: window) { return index }
        guard (windows.count + 1) * Self.placesPerWindow <= pages.pageCount else { return nil }
        windows.append(window)
        return windows.count - 1
    }
}

/// Ranges of a region of memory, first fit; neighbours that are free become one again.
///
/// Sizes and offsets are multiples of the alignment, so that nothing is lost between ranges.
struct FirstFitAllocator {
    private struct FreeRange {
        var offset: Int
        var sizeBytes: Int
    }

    let alignmentBytes: Int
    /// Sorted by offset; no two touch.
    private var free: [FreeRange]

    /// Manages `sizeBytes` from `offset`; both are cut to multiples of the alignment.
    init(offset: Int = 0, sizeBytes: Int, alignmentBytes: Int) {
        self.alignmentBytes = alignmentBytes
        let start = Self.roundUp(offset, alignmentBytes)
        let end = (offset + sizeBytes) / alignmentBytes * alignmentBytes
        free = end > start ? [FreeRange(offset: start, sizeBytes: end - start)] : []
    }

    var freeBytes: Int { free.reduce(0) { $0 + $1.sizeBytes } }

    /// The size that is really taken for `sizeBytes`.
    func roundedSize(_ sizeBytes: Int) -> Int { Self.roundUp(sizeBytes, alignmentBytes) }

    /// The offset of a range, or nil when there is none that is large enough.
    mutating func allocate(sizeBytes: Int) -> Int? {
        let wanted = roundedSize(sizeBytes)
        guard wanted > 0, let index = free.firstIndex(where: { $0.sizeBytes >= wanted }) else { return nil }
        let offset = free[index].offset
        if free[index].sizeBytes == wanted {
            free.remove(at: index)
        } else {
            free[index].offset += wanted
            free[index].sizeBytes -= wanted
        }
        return offset
    }

    /// Gives back what `allocate` gave for the same size.
    mutating func release(offset: Int, sizeBytes: Int) {
        var low = 0
        var high = free.count
        while low < high {
            let middle = (low + high) / 2
            if free[middle].offset < offset { low = middle + 1 } else { high = middle }
        }
        var range = FreeRange(offset: offset, sizeBytes: roundedSize(sizeBytes))
        if low < free.count, range.offset + range.sizeBytes == free[low].offset {
            range.sizeBytes += free[low].sizeBytes
            free.remove(at: low)
        }
        if low > 0, free[low - 1].offset + free[low - 1].sizeBytes == range.offset {
            free[low - 1].sizeBytes += range.sizeBytes
        } else {
            free.insert(range, at: low)
        }
    }

    private static func roundUp(_ value: Int, _ alignment: Int) -> Int {
        (value + alignment - 1) / alignment * alignment
    }
}

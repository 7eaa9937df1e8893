/// Which pages of a file are taken: a bit each.
struct PageRuns {
    let pageCount: Int
    private var words: [UInt64]

    init(pageCount: Int) {
        self.pageCount = pageCount
        words = Array(repeating: 0, count: (pageCount + 63) / 64)
        // Pages beyond the end are never free.
        for page in pageCount..<(words.count * 64) { set(page, true) }
    }

    func isTaken(_ page: Int) -> Bool { words[page >> 6] >> UInt64(page & 63) & 1 != 0 }

    /// The number of pages that are taken.
    var takenCount: Int {
        words.reduce(0) { $0 + $1.nonzeroBitCount } - (words.count * 64 - pageCount)
    }

    /// Takes `count` pages from `first` on, when all are free.
    mutating func take(_ count: Int, at first: Int) -> Bool {
        guard first >= 0, count > 0, first <= pageCount - count else { return false }
        guard !(first..<first + count).contains(where: { isTaken($0) }) else { return false }
        mark(first..<first + count)
        return true
    }

    /// Takes the first run of `count` free pages; nil when there is none.
    mutating func take(_ count: Int) -> Int? {
        guard count > 0, count <= pageCount else { return nil }
        var first = 0
        var page = 0
        while page < pageCount {
            if page & 63 == 0, words[page >> 6] == .max {
                page += 64
                first = page
            } else if isTaken(page) {
                page += 1
                first = page
            } else {
                page += 1
                if page - first == count {
                    mark(first..<page)
                    return first
                }
            }
        }
        return nil
    }

    /// Marks pages as taken, whether they were or not. Those beyond the end are left out.
    mutating func mark(_ pages: Range<Int>) {
        for page in pages.clamped(to: 0..<pageCount) { set(page, true) }
    }

    /// The runs that are taken here and not in `other`, which has as many pages.
    func runs(missingIn other: PageRuns) -> [Range<Int>] {
        var runs: [Range<Int>] = []
        for (index, word) in words.enumerated() {
            var rest = word & ~other.words[index]
            while rest != 0 {
                let bit = rest.trailingZeroBitCount
                let length = (~(rest >> UInt64(bit))).trailingZeroBitCount
                let page = index << 6 + bit
                if let last = runs.last, last.upperBound == page {
                    runs[runs.count - 1] = last.lowerBound..<page + length
                } else {
                    runs.append(page..<page + length)
                }
                rest = bit + length >= 64 ? 0 : rest & (UInt64.max << UInt64(bit + length))
            }
        }
        return runs
    }

    /// Makes pages free.
    mutating func release(_ pages: Range<Int>) {
        for page in pages.clamped(to: 0..<pageCount) { set(page, false) }
    }

    private mutating func set(_ page: Int, _ taken: Bool) {
        let bit: UInt64 = 1 << UInt64(page & 63)
        if taken { words[page >> 6] |= bit } else { words[page >> 6] &= ~bit }
    }
}

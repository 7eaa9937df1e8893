import LinuxIO

/// Plain entries that the child of a fork(2) can read without a lock, an allocation or the language's runtime.
final class ForkTable<Entry: BitwiseCopyable>: @unchecked Sendable {
    private(set) var entries: UnsafeMutablePointer<Entry> = .allocate(capacity: 16)
    private var capacity = 16
    private(set) var count = 0

    func append(_ entry: Entry) {
        if count == capacity {
            let larger = UnsafeMutablePointer<Entry>.allocate(capacity: 2 * capacity)
            larger.update(from: entries, count: count)
            entries.deallocate()
            entries = larger
            capacity *= 2
        }
        (entries + count).initialize(to: entry)
        count += 1
    }

    /// Removes one entry for which `isMeant` is true.
    func remove(where isMeant: (Entry) -> Bool) {
        for index in 0..<count where isMeant(entries[index]) {
            count -= 1
            entries[index] = entries[count]
            return
        }
    }

    deinit {
        entries.deallocate()
    }
}

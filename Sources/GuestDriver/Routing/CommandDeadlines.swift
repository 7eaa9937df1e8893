/// The deadlines of commands under way, earliest first.
///
/// All commands of one `CommandDeadlines` have the same time to be answered, so the order in which they were forwarded
/// is the order of their deadlines, and a queue is enough.
struct CommandDeadlines {
    private struct Entry {
        var sequence: UInt32
        /// Tells a command from a later one with the same sequence.
        var serial: UInt64
        var deadlineNanoseconds: UInt64
    }

    private var entries: [Entry] = []
    private var first = 0

    mutating func append(sequence: UInt32, serial: UInt64, deadlineNanoseconds: UInt64) {
        entries.append(Entry(sequence: sequence, serial: serial, deadlineNanoseconds: deadlineNanoseconds))
    }

    /// The earliest deadline of a command for which `isPending` holds; forgets those before it.
    mutating func earliest(isPending: (_ sequence: UInt32, _ serial: UInt64) -> Bool) -> UInt64? {
        while first < entries.count {
            let entry = entries[first]
            if isPending(entry.sequence, entry.serial) { return entry.deadlineNanoseconds }
            dropFirst()
        }
        return nil
    }

    /// Takes the next command whose deadline is not after `now`.
    mutating func popExpired(
        nowNanoseconds: UInt64, isPending: (_ sequence: UInt32, _ serial: UInt64) -> Bool
    ) -> UInt32? {
        guard let deadline = earliest(isPending: isPending), deadline <= nowNanoseconds else { return nil }
        defer { dropFirst() }
        return entries[first].sequence
    }

    mutating func removeAll() {
        entries.removeAll()
        first = 0
    }

    private mutating func dropFirst() {
        first += 1
        if first == entries.count {
            removeAll()
        } else if first >= 1024, first * 2 >= entries.count {
            entries.removeFirst(first)
            first = 0
        }
    }
}

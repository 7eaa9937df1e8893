import Verbs

/// The queue pair numbers of one guest, each leading to a table index.
///
/// Numbers are given out in turn through the 24-bit space, so that a number that was just freed is not met again by a
/// peer's late request. Numbers 0 and 1 are the management queue pairs' (IBA 3.5.1).
package struct NumberNamespace {
    private var indices: [QueuePairNumber: UInt32] = [:]
    private var next: UInt32
    private let limit: Int

    private static let first: UInt32 = 0x11

    /// `limit` is the greatest number of queue pairs at a time.
    package init(limit: Int) {
        self.limit = limit
        next = Self.first
    }

    package var count: Int { indices.count }

    /// All numbers in use.
    package var numbers: [QueuePairNumber] { Array(indices.keys) }

    /// Takes a free number for the element at `index`: the wanted one, if it is free. Nil when the limit is reached.
    ///
    /// - Parameter wanted: the number that a host device chose; with any other, peers of the device could not reach the
    ///   queue pair.
    package mutating func allocate(for index: UInt32, wanted: QueuePairNumber? = nil) -> QueuePairNumber? {
        guard indices.count < limit else { return nil }
        if let wanted, wanted.rawValue > 1, indices[wanted] == nil {
            indices[wanted] = index
            return wanted
        }
        // Bounded: among limit + 1 successive numbers one is free.
        for _ in 0...limit {
            let number = QueuePairNumber(rawValue: next)
            next = next >= 0xff_fffe ? Self.first : next + 1
            if indices[number] == nil {
                indices[number] = index
                return number
            }
        }
        return nil
    }

    package mutating func release(_ number: QueuePairNumber) {
        indices[number] = nil
    }

    package subscript(number: QueuePairNumber) -> UInt32? { indices[number] }
}

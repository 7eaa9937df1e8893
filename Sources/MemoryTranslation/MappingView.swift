import Tables
import Verbs

/// A guest's mapping table as the data path uses it: without reference counting, valid as long as the table lives.
@frozen
@usableFromInline
package struct MappingView: BitwiseCopyable {
    @usableFromInline let entries: SlabView<MappingEntry>

    @usableFromInline
    init(entries: SlabView<MappingEntry>) {
        self.entries = entries
    }

    /// The index of a key's region. Any value may be asked for.
    @inlinable
    package func find(_ key: MemoryKey) -> UInt32? {
        let index = key.index
        return entries.isLive(index) && entries[index].key == key ? index : nil
    }

    /// What a host device calls a key's region; nil when there is no such region, or the device does not know it.
    @inlinable
    package func hostKey(_ key: MemoryKey) -> UInt32? {
        guard let index = find(key), entries[index].hostKey != 0 else { return nil }
        return entries[index].hostKey
    }

    /// Checks a range of `lengthBytes` (at least 1) and finds its first bytes.
    @inlinable
    package func translate(
        _ key: MemoryKey, address: UInt64, lengthBytes: UInt64, protectionDomain: UInt32, needs access: AccessFlags
    ) -> Translation {
        guard let index = find(key), entries[index].protectionDomain == protectionDomain else {
            return Translation(.key)
        }
        let position = address &- entries[index].start
        let regionBytes = entries[index].lengthBytes
        guard address >= entries[index].start, position < regionBytes, lengthBytes <= regionBytes &- position else {
            return Translation(.bounds)
        }
        guard entries[index].access.rawValue & access.rawValue == access.rawValue else { return Translation(.access) }
        if position < entries[index].firstLengthBytes {
            return Translation(
                hostAddress: entries[index].firstHostAddress &+ UInt(truncatingIfNeeded: position),
                contiguousBytes: entries[index].firstLengthBytes &- position)
        }
        return search(entries[index].extents, position)
    }

    /// The extent that holds a position behind the first one.
    @usableFromInline
    func search(_ extents: Block<MappingEntry.PlacedExtent>, _ position: UInt64) -> Translation {
        var low = 0
        var high = extents.count
        while low + 1 < high {
            let middle = (low + high) / 2
            if extents[middle].position <= position { low = middle } else { high = middle }
        }
        guard low < extents.count else { return Translation(.bounds) }
        let within = position &- extents[low].position
        guard within < extents[low].extent.lengthBytes else { return Translation(.bounds) }
        return Translation(
            hostAddress: extents[low].extent.hostAddress &+ UInt(truncatingIfNeeded: within),
            contiguousBytes: extents[low].extent.lengthBytes &- within)
    }
}

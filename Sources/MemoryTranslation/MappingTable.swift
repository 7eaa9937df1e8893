import Tables
import Verbs

/// The mapping table of one guest: from its memory keys to the memory of its regions.
///
/// Keys are chosen here, index by index, with a key portion that changes whenever an index is used again; they belong to
/// the guest and stay the same when its table moves to another endpoint.
package final class MappingTable {
    private let entries: Slab<MappingEntry>
    private var nextKeyPortions: [UInt32: UInt8] = [:]

    /// `capacity` is the greatest number of memory regions.
    package init(capacity: Int) {
        // Index 0 stays unused, so that no valid key looks like a zeroed field.
        entries = Slab(capacity: capacity + 1, firstIndex: 1)
    }

    deinit {
        for index in entries.liveIndices { entries[index].extents.deallocate() }
    }

    /// The number of regions.
    package var count: Int { entries.count }

    /// A reference for the data path.
    package var view: MappingView { MappingView(entries: entries.view) }

    /// Adds a region. `extents` cover it in order and without a hole.
    ///
    /// Throws `ENOMEM` when the table is full and `EINVAL` when the range is empty, wraps around, or is not covered.
    package func register(
        protectionDomain: UInt32, context: UInt32, access: AccessFlags, start: UInt64, lengthBytes: UInt64,
        extents: [Extent]
    ) throws(Errno) -> MemoryKey {
        let fused = Extent.fused(extents)
        var covered: UInt64 = 0
        for extent in fused {
            let (sum, overflow) = covered.addingReportingOverflow(extent.lengthBytes)
            guard !overflow else { throw .invalidArgument }
            covered = sum
        }
        guard lengthBytes > 0, covered == lengthBytes, let first = fused.first,
            !start.addingReportingOverflow(lengthBytes - 1).overflow
        else { throw .invalidArgument }

        var entry = MappingEntry(
            key: MemoryKey(rawValue: 0), protectionDomain: protectionDomain, access: access, start: start,
            lengthBytes: lengthBytes, firstHostAddress: first.hostAddress, firstLengthBytes: first.lengthBytes,
            extents: .empty, context: context)
        if fused.count > 1 { entry.extents = Self.place(fused) }
        guard let index = entries.insert(entry) else {
            entry.extents.deallocate()
            throw .outOfMemory
        }
        let key = MemoryKey(index: index, keyPortion: nextKeyPortions[index] ?? 0)
        nextKeyPortions[index] = key.keyPortion &+ 1
        entries[index].key = key
        return key
    }

    /// Removes a region; its key means nothing from now on. Throws `EINVAL` for a key that is not in the table.
    package func deregister(_ key: MemoryKey, context: UInt32) throws(Errno) {
        guard view.find(key) != nil, entries[key.index].context == context else { throw .invalidArgument }
        let extents = entries[key.index].extents
        entries.remove(key.index)
        extents.deallocate()
    }

    /// The keys that a context registered.
    package func keys(context: UInt32) -> [MemoryKey] {
        entries.liveIndices.filter { entries[$0].context == context }.map { entries[$0].key }
    }

    /// The region of a key.
    package func entry(_ key: MemoryKey) -> MappingEntry? {
        view.find(key) == nil ? nil : entries[key.index]
    }

    private static func place(_ extents: [Extent]) -> Block<MappingEntry.PlacedExtent> {
        let block = Block<MappingEntry.PlacedExtent>.allocate(
            count: extents.count,
            repeating: .init(position: 0, extent: .init(hostAddress: 0, lengthBytes: 0)))
        var position: UInt64 = 0
        for (index, extent) in extents.enumerated() {
            block[index] = .init(
                position: position, extent: .init(hostAddress: extent.hostAddress, lengthBytes: extent.lengthBytes))
            position &+= extent.lengthBytes
        }
        return block
    }
}

import Tables
import Verbs

/// The mapping table of one guest: from its memory keys to the memory of its regions.
///
/// Keys are chosen here, index by index, with a key portion that changes whenever an index is used again. Where a host
/// device registers the memory too, the key is the one that the device chose, if it is free, so that peers which know
/// nothing of us can use it. Keys belong to the guest and stay the same when its table moves to another endpoint.
package final class MappingTable {
    private let entries: Slab<MappingEntry>
    private let capacity: Int
    private let keySource: KeySource
    private var nextKeyPortions: [UInt32: UInt8] = [:]
    private var nextIndex: UInt32 = 1
    private var indices: Set<UInt32> = []

    /// Who chooses the keys.
    package enum KeySource {
        /// The table: indices up to the number of regions.
        case table
        /// A device: any index of 24 bits.
        case device
    }

    /// `capacity` is the greatest number of memory regions.
    package init(capacity: Int, keysFrom keySource: KeySource = .table) {
        self.capacity = capacity
        self.keySource = keySource
        // Index 0 stays unused, so that no valid key looks like a zeroed field.
        entries = Slab(capacity: keySource == .table ? capacity + 1 : 1 << 24, firstIndex: 1)
    }

    deinit {
        for index in indices { entries[index].extents.deallocate() }
    }

    /// The number of regions.
    package var count: Int { indices.count }

    /// A reference for the data path.
    package var view: MappingView { MappingView(entries: entries.view) }

    /// Checks that `extents` cover a range in order and without a hole; returns them fused.
    ///
    /// Throws `EINVAL` when the range is empty, wraps around, or is not covered.
    package static func covering(
        _ extents: [Extent], start: UInt64, lengthBytes: UInt64
    ) throws(Errno) -> [Extent] {
        let fused = Extent.fused(extents)
        var covered: UInt64 = 0
        for extent in fused {
            let (sum, overflow) = covered.addingReportingOverflow(extent.lengthBytes)
            guard !overflow else { throw .invalidArgument }
            covered = sum
        }
        guard lengthBytes > 0, covered == lengthBytes, !start.addingReportingOverflow(lengthBytes - 1).overflow else {
            throw .invalidArgument
        }
        return fused
    }

    /// Adds a region. `extents` cover it in order and without a hole.
    ///
    /// - Parameters:
    ///   - wanted: the key that a host device chose; with any other, peers of the device could not reach the region.
    ///   - hostKey: what the device calls the region in its own requests.
    ///
    /// Throws `ENOMEM` when the table is full, `EEXIST` when another region has the wanted key's index, and `EINVAL`
    /// when the range is empty, wraps around, or is not covered.
    package func register(
        protectionDomain: UInt32, context: UInt32, access: AccessFlags, start: UInt64, lengthBytes: UInt64,
        extents: [Extent], wanted: MemoryKey? = nil, hostKey: UInt32 = 0
    ) throws(Errno) -> MemoryKey {
        let wanted = keySource == .device ? wanted : nil
        let fused = try Self.covering(extents, start: start, lengthBytes: lengthBytes)
        guard let first = fused.first else { throw .invalidArgument }
        guard indices.count < capacity else { throw .outOfMemory }
        if let wanted, wanted.index == 0 || entries.isLive(wanted.index) { throw .alreadyExists }

        var entry = MappingEntry(
            key: MemoryKey(rawValue: 0), protectionDomain: protectionDomain, access: access, start: start,
            lengthBytes: lengthBytes, firstHostAddress: first.hostAddress, firstLengthBytes: first.lengthBytes,
            extents: .empty, hostKey: hostKey, context: context)
        if fused.count > 1 { entry.extents = Self.place(fused) }
        guard let index = insert(entry, wanted: wanted?.index) else {
            entry.extents.deallocate()
            throw .outOfMemory
        }
        indices.insert(index)
        let key = wanted ?? MemoryKey(index: index, keyPortion: nextKeyPortions[index] ?? 0)
        // A device keeps its own keys apart.
        if wanted == nil { nextKeyPortions[index] = key.keyPortion &+ 1 }
        entries[index].key = key
        return key
    }

    private func insert(_ entry: MappingEntry, wanted: UInt32?) -> UInt32? {
        guard keySource == .device else { return entries.insert(entry) }
        if let wanted { return entries.insert(entry, at: wanted) ? wanted : nil }
        // Bounded: of capacity + 1 successive indices one is free.
        for _ in 0...capacity {
            let index = nextIndex
            nextIndex = index >= 0xff_ffff ? 1 : index + 1
            if entries.insert(entry, at: index) { return index }
        }
        return nil
    }

    /// Notes what a host device calls a region from now on; 0 when it knows it no more.
    package func setHostKey(_ hostKey: UInt32, of key: MemoryKey) {
        guard view.find(key) != nil else { return }
        entries[key.index].hostKey = hostKey
    }

    /// Removes a region; its key means nothing from now on. Throws `EINVAL` for a key that is not in the table.
    package func deregister(_ key: MemoryKey, context: UInt32) throws(Errno) {
        guard view.find(key) != nil, entries[key.index].context == context else { throw .invalidArgument }
        let extents = entries[key.index].extents
        if keySource == .table { entries.remove(key.index) } else { entries.removeChosen(key.index) }
        indices.remove(key.index)
        extents.deallocate()
    }

    /// The keys that a context registered.
    package func keys(context: UInt32) -> [MemoryKey] {
        indices.filter { entries[$0].context == context }.sorted().map { entries[$0].key }
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

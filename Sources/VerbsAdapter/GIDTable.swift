import CRDMACore
import Glibc
import Verbs

/// The addresses of a port that queue pairs can use: on Ethernet those of RoCE v2.
struct GIDTable: Equatable {
    struct Entry: Equatable {
        var address: GID
        /// In the device's own table.
        var index: UInt8
    }

    private(set) var entries: [Entry] = []

    /// The most that a queue pair can name (`sgid_index` of struct ibv_global_route).
    private static let maximumEntries = 256

    init() {}

    /// Keeps what can be used, in the order of the table, each address once.
    init(_ rows: some Sequence<ibv_gid_entry>, port: UInt8, isEthernet: Bool) {
        var seen: Set<GID> = []
        for row in rows.sorted(by: { $0.gid_index < $1.gid_index }) {
            guard row.port_num == UInt32(port), let index = UInt8(exactly: row.gid_index),
                !isEthernet || row.gid_type == IBV_GID_TYPE_ROCE_V2.rawValue
            else { continue }
            let address = withUnsafeBytes(of: row.gid) { GID(bytes: $0.loadUnaligned(as: (UInt64, UInt64).self)) }
            guard !address.isZero, seen.insert(address).inserted else { continue }
            entries.append(Entry(address: address, index: index))
        }
    }

    /// Reads the table of a device, of all its ports.
    static func read(
        _ context: UnsafeMutablePointer<ibv_context>, rowCount: Int
    ) throws(Errno) -> [ibv_gid_entry] {
        var rows = [ibv_gid_entry](repeating: ibv_gid_entry(), count: min(max(1, rowCount), 16 * maximumEntries))
        let count = ibv_query_gid_table(context, &rows, rows.count, 0)
        guard count >= 0 else { throw .ofDevice(Int32(clamping: count)) }
        return Array(rows.prefix(count))
    }

    func index(of address: GID) -> UInt8? {
        entries.first { $0.address == address }?.index
    }
}

import CRDMACore
import Testing
import Verbs

@testable import VerbsAdapter

struct GIDTableTests {
    private func row(_ index: UInt32, _ address: GID, port: UInt32 = 1, type: ibv_gid_type = IBV_GID_TYPE_ROCE_V2)
        -> ibv_gid_entry
    {
        var row = ibv_gid_entry()
        row.gid_index = index
        row.port_num = port
        row.gid_type = type.rawValue
        withUnsafeMutableBytes(of: &row.gid) { $0.copyBytes(from: address.bytes) }
        return row
    }

    private let a = GID(ipv4: 0x0a09_0001)
    private let b = GID(upper: 0xfd00_0009_0000_0000, lower: 1)

    @Test func onEthernetOnlyVersion2Counts() {
        let rows = [row(0, b, type: IBV_GID_TYPE_ROCE_V1), row(3, b), row(1, a), row(2, a, type: IBV_GID_TYPE_ROCE_V1)]
        let table = GIDTable(rows, port: 1, isEthernet: true)
        #expect(table.entries == [.init(address: a, index: 1), .init(address: b, index: 3)])
        #expect(table.index(of: b) == 3)
        #expect(table.index(of: .zero) == nil)
    }

    @Test func onInfiniBandAllCount() {
        let table = GIDTable([row(0, b, type: IBV_GID_TYPE_IB)], port: 1, isEthernet: false)
        #expect(table.index(of: b) == 0)
    }

    @Test func otherPortsEmptyRowsRepetitionsAndIndicesOutOfReachDoNotCount() {
        let rows = [row(0, a, port: 2), row(1, .zero), row(2, b), row(4, b), row(256, a)]
        #expect(GIDTable(rows, port: 1, isEthernet: true).entries == [.init(address: b, index: 2)])
    }
}

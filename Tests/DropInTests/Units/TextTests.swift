import CIBVerbsObjects
import Glibc
import Testing

@Suite struct TextTests {
    typealias Text = @convention(c) (CInt) -> UnsafePointer<CChar>?

    private func text(_ function: String, _ value: CInt) throws -> String {
        let library = try DropInLibrary.shared.get()
        let convert = try library.function(function, as: Text.self)
        return String(cString: try #require(convert(value)))
    }

    @Test(arguments: [(0, "success"), (5, "Work Request Flushed Error"), (13, "RNR retry counter exceeded")])
    func completionStatus(value: CInt, expected: String) throws {
        #expect(try text("ibv_wc_status_str", value) == expected)
    }

    @Test func firstAndLastOfEachTable() throws {
        #expect(try text("ibv_wc_status_str", 23) == "TM software rendezvous")
        #expect(try text("ibv_event_type_str", 0) == "CQ error")
        #expect(try text("ibv_event_type_str", 19) == "WQ fatal")
        #expect(try text("ibv_port_state_str", 4) == "active")
        #expect(try text("ibv_node_type_str", 1) == "InfiniBand channel adapter")
        #expect(try text("ibv_node_type_str", 7) == "unspecified")
    }

    @Test(arguments: ["ibv_wc_status_str", "ibv_event_type_str", "ibv_port_state_str", "ibv_node_type_str"])
    func numbersOutsideOfATable(function: String) throws {
        for value: CInt in [-1, 1000, .max, .min] {
            #expect(try text(function, value) == "unknown")
        }
        #expect(try text("ibv_node_type_str", 0) == "unknown")
    }

    @Test func rates() throws {
        typealias Convert = @convention(c) (CInt) -> CInt
        let library = try DropInLibrary.shared.get()
        let toMegabits = try library.function("ibv_rate_to_mbps", as: Convert.self)
        let fromMegabits = try library.function("mbps_to_ibv_rate", as: Convert.self)
        let toMultiple = try library.function("ibv_rate_to_mult", as: Convert.self)
        let fromMultiple = try library.function("mult_to_ibv_rate", as: Convert.self)
        for rate in CInt(2)...24 {
            #expect(fromMegabits(toMegabits(rate)) == rate)
            let multiple = toMultiple(rate)
            #expect(multiple == -1 || fromMultiple(multiple) == rate)
        }
        #expect(toMegabits(16) == 103_125)
        #expect(toMultiple(7) == 16)
        #expect(toMegabits(99) == -1)
        #expect(fromMegabits(1) == 0)
    }
}

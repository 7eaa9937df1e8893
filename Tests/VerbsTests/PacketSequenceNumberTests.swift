import TestKit
import Testing
import Verbs

/// PSN arithmetic modulo 2^24 (IBA vol. 1, 9.7.2).
struct PacketSequenceNumberTests {
    private func psn(_ value: UInt32) -> PacketSequenceNumber { PacketSequenceNumber(rawValue: value) }

    @Test func hasTwentyFourBits() {
        #expect(psn(0x1ff_ffff).rawValue == 0xff_ffff)
        #expect(psn(.max) == psn(0xff_ffff))
        #expect(psn(0x100_0000) == psn(0))
    }

    @Test(arguments: [
        (UInt32(0), UInt32(0), UInt32(0)), (0, 1, 1), (0xff_ffff, 1, 0), (0xff_fffe, 5, 3), (5, 0xff_ffff, 4),
        (0x80_0000, 0x80_0000, 0), (1, 0x100_0000, 1), (7, .max, 6),
    ])
    func advances(from start: UInt32, by count: UInt32, to end: UInt32) {
        #expect(psn(start).advanced(by: count) == psn(end))
    }

    @Test(arguments: [
        (UInt32(0), UInt32(0), Int32(0)), (1, 0, 1), (0, 1, -1), (0, 0xff_ffff, 1), (0xff_ffff, 0, -1),
        (0x7f_ffff, 0, 0x7f_ffff), (0x80_0000, 0, -0x80_0000), (2, 0xff_fffe, 4), (0xff_fffe, 2, -4),
    ])
    func distances(of later: UInt32, from earlier: UInt32, are distance: Int32) {
        #expect(psn(later).distance(from: psn(earlier)) == distance)
    }

    /// The distance undoes the advance, everywhere.
    @Test(arguments: Seeds.first(3))
    func distanceUndoesAdvance(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<1000 {
            let start = psn(UInt32(truncatingIfNeeded: generator.next()))
            let count = UInt32(truncatingIfNeeded: generator.next()) & 0x7f_ffff
            #expect(start.advanced(by: count).distance(from: start) == Int32(count))
            #expect(start.distance(from: start.advanced(by: count)) == -Int32(count))
        }
    }
}

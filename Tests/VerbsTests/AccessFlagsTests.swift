import TestKit
import Testing
import Verbs

/// `enum ibv_access_flags` (ibv_reg_mr(3)).
struct AccessFlagsTests {
    @Test func values() {
        let flags: [AccessFlags] = [
            .localWrite, .remoteWrite, .remoteRead, .remoteAtomic, .memoryWindowBind, .zeroBased, .onDemand, .hugeTLB,
        ]
        #expect(flags.map(\.rawValue) == [1, 2, 4, 8, 16, 32, 64, 128])
        // IBV_ACCESS_OPTIONAL_FIRST is bit 20, IBV_ACCESS_OPTIONAL_LAST bit 29.
        #expect(AccessFlags.optionalMask.rawValue == (20...29).reduce(0) { $0 | 1 << $1 })
    }

    /// What is supported and what may be ignored have nothing in common.
    @Test func supported() {
        #expect(AccessFlags.supported.isDisjoint(with: .optionalMask))
        #expect(AccessFlags.supported.isDisjoint(with: [.memoryWindowBind, .onDemand]))
        #expect(AccessFlags.supported.isConsistent)
    }

    /// Bits that no rule speaks of change nothing.
    @Test(arguments: Seeds.first(3))
    func consistencyOfRandomBits(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<1000 {
            let access = AccessFlags(rawValue: UInt32(truncatingIfNeeded: generator.next()))
            let rest = access.intersection([.localWrite, .remoteWrite, .remoteAtomic])
            #expect(access.isConsistent == rest.isConsistent)
            #expect(access.union(.localWrite).isConsistent)
        }
    }
}

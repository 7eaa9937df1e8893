import Testing
import Verbs

/// The encodings of time (IBA vol. 1, 9.7.6.1.3 and 9.7.5.2.8, table 45).
struct TimersTests {
    @Test func ackTimeout() {
        #expect(Timers.ackTimeoutNanoseconds(encoded: 0) == nil)
        for encoded in UInt8(1)...31 {
            #expect(Timers.ackTimeoutNanoseconds(encoded: encoded) == UInt64(4096) << UInt64(encoded))
        }
        // Five bits.
        #expect(Timers.ackTimeoutNanoseconds(encoded: 32) == nil)
        #expect(Timers.ackTimeoutNanoseconds(encoded: 46) == 4096 << 14)
    }

    @Test func receiverNotReady() {
        // In milliseconds, as the table has it.
        let table: [Double] = [
            655.36, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.16, 0.24, 0.32, 0.48, 0.64, 0.96, 1.28, 1.92, 2.56,
            3.84, 5.12, 7.68, 10.24, 15.36, 20.48, 30.72, 40.96, 61.44, 81.92, 122.88, 163.84, 245.76, 327.68, 491.52,
        ]
        for (encoded, milliseconds) in table.enumerated() {
            #expect(
                Timers.receiverNotReadyNanoseconds(encoded: UInt8(encoded))
                    == UInt64((milliseconds * 1_000_000).rounded()))
        }
        #expect(Timers.receiverNotReadyNanoseconds(encoded: 33) == 10_000)
    }
}

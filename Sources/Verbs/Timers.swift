/// The encodings of time in queue pair attributes.
public enum Timers {
    /// The local ACK timeout in nanoseconds: 4.096 µs × 2^encoded, nil (no timeout) for 0 (IBA 9.7.6.1.3).
    public static func ackTimeoutNanoseconds(encoded: UInt8) -> UInt64? {
        let exponent = UInt64(encoded & 0x1f)
        return exponent == 0 ? nil : 4096 << exponent
    }

    /// The RNR NAK timer in nanoseconds (IBA 9.7.5.2.8, table 45).
    public static func receiverNotReadyNanoseconds(encoded: UInt8) -> UInt64 {
        let hundredthsOfMilliseconds: [UInt64] = [
            65536, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072,
            4096, 6144, 8192, 12288, 16384, 24576, 32768, 49152,
        ]
        return hundredthsOfMilliseconds[Int(encoded & 0x1f)] * 10_000
    }
}

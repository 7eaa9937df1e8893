import CIBVerbsObjects
import Glibc
import Verbs

/// The clock of completion timestamps: nanoseconds of CLOCK_MONOTONIC, read by the endpoint once for the completions
/// that it writes in one turn.
enum DeviceClock {
    /// The bits of a timestamp that count.
    static let mask = UInt64.max
    /// Its rate, as ibv_query_device_ex(3) tells it.
    static let kilohertz: UInt64 = 1_000_000
}

/// Reads the device's clock (ibv_query_rt_values_ex(3)).
@c func readDeviceClock(
    _ context: UnsafeMutablePointer<ibv_context>?, _ values: UnsafeMutablePointer<ibv_values_ex>?
) -> CInt {
    guard context != nil, let values else { return failing(.invalidArgument) }
    guard values.pointee.comp_mask == IBV_VALUES_MASK_RAW_CLOCK.rawValue else { return failing(.notSupported) }
    guard clock_gettime(CLOCK_MONOTONIC, &values.pointee.raw_clock) == 0 else { return failing(.current) }
    return 0
}

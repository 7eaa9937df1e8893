/// Writes quantities as a person would write them in a configuration file.
enum ConfigurationUnits {
    /// The largest unit that divides the size: `64 KiB`, `1 GiB`, `100`.
    static func size(bytes: Int) -> String {
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")]
        for (shift, name) in units where bytes != 0 && bytes & ((1 << shift) &- 1) == 0 {
            return "\(bytes >> shift) \(name)"
        }
        return String(bytes)
    }

    /// The largest unit that divides the duration: `50 us`, `1 s`, `0`.
    static func duration(nanoseconds: Int) -> String {
        if nanoseconds == 0 { return "0" }
        for (factor, name) in [(1_000_000_000, "s"), (1_000_000, "ms"), (1000, "us")] where nanoseconds % factor == 0 {
            return "\(nanoseconds / factor) \(name)"
        }
        return "\(nanoseconds) ns"
    }

    /// Octal with a leading zero, as in `0660`.
    static func fileMode(_ mode: UInt32) -> String {
        "0" + String(mode, radix: 8)
    }
}

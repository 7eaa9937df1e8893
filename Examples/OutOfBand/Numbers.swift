/// A number with so many decimals.
public func decimal(_ value: Double, _ decimals: Int = 2) -> String {
    let scale = (0..<decimals).reduce(1.0) { scale, _ in scale * 10 }
    guard value.isFinite, value.magnitude < 1e15 else { return "\(value)" }
    let scaled = Int((value * scale).rounded())
    guard decimals > 0 else { return "\(scaled)" }
    let digits = String(scaled.magnitude)
    let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    return "\(scaled < 0 ? "-" : "")\(padded.dropLast(decimals)).\(padded.suffix(decimals))"
}

/// The middle one of some values; 0 of none.
public func median(_ values: [UInt64]) -> UInt64 {
    values.isEmpty ? 0 : values.sorted()[values.count / 2]
}

import Glibc

/// Where two sequences of bytes differ first; nil where they do not. Keeps the reports of failures short.
func difference(_ found: [UInt8], _ expected: [UInt8]) -> String? {
    if found == expected { return nil }
    if found.count != expected.count { return "\(found.count) bytes instead of \(expected.count)" }
    guard let position = zip(found, expected).enumerated().first(where: { $1.0 != $1.1 })?.offset else { return nil }
    let count = zip(found, expected).count { $0 != $1 }
    return "\(count) bytes differ, at \(position) first: \(found[position]) instead of \(expected[position])"
}

extension SimulatedMemory {
    /// Whether a value occurs anywhere in the memory.
    func contains(_ byte: UInt8) -> Bool {
        memchr(mapping.base, Int32(byte), mapping.sizeBytes) != nil
    }
}

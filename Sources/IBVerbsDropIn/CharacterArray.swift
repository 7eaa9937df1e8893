import Glibc

/// Writes a text into a fixed array of a C structure, cut to fit and ended by a zero.
func write(_ text: String, into array: UnsafeMutableRawPointer, capacity: Int) {
    guard capacity > 0 else { return }
    memset(array, 0, capacity)
    var text = text
    text.withUTF8 { bytes in
        guard let base = bytes.baseAddress else { return }
        memcpy(array, base, min(bytes.count, capacity - 1))
    }
}

/// The text of a fixed array of a C structure, up to its first zero.
func readText(_ array: UnsafeRawPointer, capacity: Int) -> String {
    let bytes = UnsafeRawBufferPointer(start: array, count: capacity)
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
}

/// The memory of a queue's own indices and lock: words that several threads use, each only through atomic operations.
///
/// Two cache lines: what those who post change, and what those who poll change.
enum QueueWords {
    static let secondLineOffset = 64

    /// Two lines of zeros.
    static func allocate() -> UnsafeMutableRawPointer {
        let words = UnsafeMutableRawPointer.allocate(byteCount: 2 * secondLineOffset, alignment: secondLineOffset)
        words.initializeMemory(as: UInt64.self, repeating: 0, count: 2 * secondLineOffset / 8)
        return words
    }
}

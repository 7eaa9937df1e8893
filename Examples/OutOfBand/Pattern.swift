/// Bytes that can be made again anywhere from a number, to compare what arrived with what was sent (SplitMix64).
public struct Pattern: Sendable {
    private var state: UInt64

    /// The pattern of a number.
    public init(_ seed: UInt64) {
        state = seed &* 0x9e37_79b9_7f4a_7c15
    }

    /// The next eight bytes.
    public mutating func nextWord() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// Fills some of the words with the pattern.
    public static func fill(_ words: inout MutableSpan<UInt64>, _ range: Range<Int>, seed: UInt64) {
        var pattern = Pattern(seed)
        for index in range { words[index] = pattern.nextWord() }
    }

    /// Whether some of the words are the pattern.
    public static func matches(_ words: Span<UInt64>, _ range: Range<Int>, seed: UInt64) -> Bool {
        var pattern = Pattern(seed)
        for index in range where words[index] != pattern.nextWord() { return false }
        return true
    }
}

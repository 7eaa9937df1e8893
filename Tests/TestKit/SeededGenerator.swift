/// SplitMix64: the same numbers from the same seed.
package struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    /// The sequence that the seed determines.
    package init(seed: UInt64) {
        state = seed
    }

    /// The next number of the sequence.
    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

extension SeededGenerator {
    /// That many random bytes.
    package mutating func bytes(_ count: Int) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count + 8)
        while result.count < count {
            withUnsafeBytes(of: next()) { result.append(contentsOf: $0) }
        }
        result.removeLast(result.count - count)
        return result
    }

    /// `total` cut into `count` parts, some of them empty.
    package mutating func parts(of total: Int, count: Int) -> [Int] {
        let cuts = [0] + (1..<max(1, count)).map { _ in Int.random(in: 0...total, using: &self) }.sorted() + [total]
        return zip(cuts, cuts.dropFirst()).map { $1 - $0 }
    }

    /// True in `part` of `whole` cases.
    package mutating func chance(_ part: Int, of whole: Int) -> Bool {
        Int.random(in: 0..<whole, using: &self) < part
    }
}

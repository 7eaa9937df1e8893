import Glibc

/// The seeds of random tests. `VRDMA_SEED` in the environment replaces them by one, to replay a failure.
package enum Seeds {
    /// 1, 2, … `count`, or the one of the environment.
    package static func first(_ count: UInt64) -> [UInt64] {
        if let text = getenv("VRDMA_SEED").map({ String(cString: $0) }), let seed = UInt64(text) { return [seed] }
        return Array(1...count)
    }
}

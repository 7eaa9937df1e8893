import Glibc

/// The seeds of random tests. `VRDMA_SEED` in the environment replaces them by one, to replay a failure.
enum Seeds {
    static func first(_ count: UInt64) -> [UInt64] {
        if let text = getenv("VRDMA_SEED").map({ String(cString: $0) }), let seed = UInt64(text) { return [seed] }
        return Array(1...count)
    }
}

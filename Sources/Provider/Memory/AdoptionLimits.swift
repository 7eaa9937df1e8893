import Glibc

/// When adoption makes files, looks for memory that is not used any more, and copies in a child.
struct AdoptionLimits: Sendable {
    /// The size of a file for many pieces. Sparse: only pages in use take memory.
    var arenaBytes = 64 << 20
    /// A larger piece has a file of its own.
    var ownFileBytes = 16 << 20
    /// What is adopted before memory is looked for that the application has unmapped, when little is in use.
    var sweepBytes = 32 << 20

    /// Mappings that a process may have for another piece to be adopted: three quarters of what Linux permits by default.
    var mappingCount = 48 << 10

    /// What the child of a fork copies at once, in bytes; the rest is copied on write. `VRDMA_FORK_COPY_MIB`.
    static var forkCopyBytes: UInt64 {
        let standard: UInt64 = 1024
        guard let text = getenv("VRDMA_FORK_COPY_MIB"), let mebibytes = UInt64(String(cString: text)) else {
            return standard << 20
        }
        return min(mebibytes, UInt64.max >> 20) << 20
    }
}

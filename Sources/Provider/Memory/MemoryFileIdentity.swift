/// What tells one file from all others: its device and inode number.
struct MemoryFileIdentity: Hashable, Sendable {
    var device: UInt64
    var inode: UInt64
}

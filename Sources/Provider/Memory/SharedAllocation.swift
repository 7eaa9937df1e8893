import LinuxIO
import SharedMemory
import Verbs

/// Page-aligned memory that lies in shared memory from the start, so that it is registered without being adopted. It is
/// freed with the last reference; a memory region in it holds one. A child of fork(2) shares it with its parent.
package final class SharedAllocation: @unchecked Sendable {
    package let address: UnsafeMutableRawPointer
    package let sizeBytes: Int
    let file: SharedMemoryFile
    let offset: Int
    private let mapping: Mapping
    private let pool: SharedAllocationPool

    init(
        file: SharedMemoryFile, mapping: Mapping, offset: Int, sizeBytes: Int, pool: SharedAllocationPool
    ) {
        self.file = file
        self.mapping = mapping
        self.offset = offset
        self.address = mapping.base + offset
        self.sizeBytes = sizeBytes
        self.pool = pool
    }

    deinit {
        pool.release(file, offset: offset, sizeBytes: sizeBytes)
    }
}

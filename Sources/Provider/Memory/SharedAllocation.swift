import LinuxIO
import SharedMemory
import Verbs

/// Page-aligned memory that lies in shared memory from the start, so that it is registered without being adopted.
/// It is freed with the last reference.
package final class SharedAllocation: @unchecked Sendable {
    package let address: UnsafeMutableRawPointer
    package let sizeBytes: Int
    let mapping: Mapping

    init(mapping: Mapping, sizeBytes: Int) {
        self.mapping = mapping
        self.address = mapping.base
        self.sizeBytes = sizeBytes
    }
}

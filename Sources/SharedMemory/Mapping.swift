import CLinux
import Glibc
import LinuxIO
import Verbs

/// A region of shared memory: a sealed memfd, mapped for reading and writing as long as this object lives.
///
/// The size is the file's own and cannot change, so that no access inside of it can fault.
package final class Mapping: Sendable {
    /// The start of the region in this process.
    package nonisolated(unsafe) let base: UnsafeMutableRawPointer
    package let sizeBytes: Int
    package let file: FileDescriptor

    /// Maps a file of somebody else's. Throws `EINVAL` when it is not a sealed memfd, is empty, or exceeds
    /// `limitBytes`.
    package init(_ file: FileDescriptor, limitBytes: Int = .max) throws(Errno) {
        let sizeBytes = try MemoryFile.sealedSizeBytes(file)
        guard sizeBytes > 0, sizeBytes <= limitBytes else { throw .invalidArgument }
        let address = mmap(nil, sizeBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.rawValue, 0)
        guard let address, address != MAP_FAILED else { throw .current }
        self.base = address
        self.sizeBytes = sizeBytes
        self.file = file
    }

    /// Makes a new file and maps it.
    package convenience init(name: String, sizeBytes: Int) throws(Errno) {
        try self.init(try MemoryFile.create(name: name, sizeBytes: sizeBytes))
    }

    deinit {
        munmap(base, sizeBytes)
    }

    /// Whether `count` bytes at `offset` lie inside, with `offset` a multiple of `alignment`.
    package func contains(offset: UInt64, count: UInt64, alignment: UInt64 = 1) -> Bool {
        offset <= UInt64(sizeBytes) && count <= UInt64(sizeBytes) - offset && offset % alignment == 0
    }
}

extension Mapping {
    /// One reading of a structure of 8-byte words at an offset that the caller has checked.
    package func snapshot<Value: BitwiseCopyable>(at offset: Int, as type: Value.Type) -> Value {
        withUnsafeTemporaryAllocation(byteCount: MemoryLayout<Value>.size, alignment: 8) { copy in
            clinux_snapshot(copy.baseAddress, base + offset, copy.count)
            return copy.load(as: Value.self)
        }
    }
}

import CLinux
import Glibc
import Verbs

/// Anonymous files of shared memory (memfd_create(2)) whose size cannot change: a peer that could truncate one would
/// kill whoever has it mapped with SIGBUS.
package enum MemoryFile {
    /// A new file of `sizeBytes`, sealed against growing and shrinking.
    package static func create(name: String, sizeBytes: Int) throws(Errno) -> FileDescriptor {
        let file = FileDescriptor(taking: try check { clinux_memfd_create(name) })
        try check { ftruncate(file.rawValue, sizeBytes) }
        try check { clinux_memfd_seal_size(file.rawValue) }
        return file
    }

    /// The size of a sealed file that somebody else made.
    ///
    /// Throws `EINVAL` for anything that is not a memfd on ordinary pages with both size seals.
    package static func sealedSizeBytes(_ file: FileDescriptor) throws(Errno) -> Int {
        guard try check({ clinux_memfd_is_sealed(file.rawValue) }) == 1 else { throw .invalidArgument }
        return Int(try check { clinux_file_size(file.rawValue) })
    }

    /// Gives the pages of a range back to the system; they read as zero afterwards.
    package static func discard(_ file: FileDescriptor, offset: Int, sizeBytes: Int) throws(Errno) {
        try check { clinux_punch_hole(file.rawValue, UInt64(offset), UInt64(sizeBytes)) }
    }
}

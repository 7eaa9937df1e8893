import Glibc
import SharedMemory
import Verbs

/// A range of the endpoint's addresses in which pages of several files follow each other.
final class StitchedMemory {
    let base: UnsafeMutableRawPointer
    private let sizeBytes: Int

    /// Throws `ENOMEM` when the process has no mapping or address space left.
    init(_ steps: [StitchPlan.Step], reservedBytes: UInt64, files: [Mapping]) throws(Errno) {
        guard let sizeBytes = Int(exactly: reservedBytes) else { throw .outOfMemory }
        // Reserved first, so that nothing else can come to lie between the pieces.
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | Int32(MAP_NORESERVE)
        guard let base = mmap(nil, sizeBytes, PROT_NONE, flags, -1, 0), base != MAP_FAILED else { throw .current }
        self.base = base
        self.sizeBytes = sizeBytes
        for step in steps {
            guard files.indices.contains(step.file), let position = Int(exactly: step.position),
                let length = Int(exactly: step.lengthBytes), let offset = Int(exactly: step.offset)
            else { throw .invalidArgument }
            let place = mmap(
                base + position, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, files[step.file].file.rawValue,
                offset)
            guard place != MAP_FAILED else { throw .current }
        }
    }

    deinit {
        munmap(base, sizeBytes)
    }
}

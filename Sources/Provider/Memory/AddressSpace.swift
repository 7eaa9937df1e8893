import CLinux
import Verbs

/// The mappings of this process.
enum AddressSpace {
    /// What is mapped in a range, lowest first, cut to the range.
    static func mappings(from start: UInt64, to end: UInt64) throws(Errno) -> [clinux_mapping] {
        var result: [clinux_mapping] = []
        try forEach(from: start, to: end, onlySharedFiles: false) { mapping in
            var part = mapping
            if part.start < start {
                part.offset &+= start - part.start
                part.start = start
            }
            part.end = min(part.end, end)
            result.append(part)
        }
        return result
    }

    /// All shared mappings of files.
    static func forEachSharedFile(_ body: (clinux_mapping) -> Void) throws(Errno) {
        try forEach(from: 0, to: .max, onlySharedFiles: true, body)
    }

    private static func forEach(
        from start: UInt64, to end: UInt64, onlySharedFiles: Bool, _ body: (clinux_mapping) -> Void
    ) throws(Errno) {
        let capacity = 64
        let found = UnsafeMutablePointer<clinux_mapping>.allocate(capacity: capacity)
        defer { found.deallocate() }
        var position = start
        while true {
            let count = clinux_mappings(position, end, onlySharedFiles, found, capacity)
            guard count >= 0 else { throw .current }
            for index in 0..<count {
                body(found[index])
                position = found[index].end
            }
            if count < capacity { return }
        }
    }
}

import CLinux
import LinuxIO
import Verbs

/// What tells one file from all others: its device and inode number.
struct MemoryFileIdentity: Hashable, Sendable {
    var device: UInt64
    var inode: UInt64

    init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }

    init(_ file: FileDescriptor) throws(Errno) {
        var device: UInt64 = 0
        var inode: UInt64 = 0
        try check { clinux_file_identity(file.rawValue, &device, &inode) }
        self.init(device: device, inode: inode)
    }
}

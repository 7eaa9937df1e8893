import CLinux
import LinuxIO

/// The files of which a child of fork(2) gets its own, as plain memory that can be read there without a lock.
final class ForkFileTable: @unchecked Sendable {
    /// Taken after `ForkGuard.mutex` where both are; held over a fork.
    let mutex = PosixMutex()
    private var entries: UnsafeMutablePointer<clinux_private_file> = .allocate(capacity: 16)
    private var capacity = 16
    private(set) var count = 0

    func insert(_ identity: MemoryFileIdentity, _ descriptor: Int32, _ mode: clinux_fork_mode) {
        mutex.withLock {
            if count == capacity {
                let larger = UnsafeMutablePointer<clinux_private_file>.allocate(capacity: 2 * capacity)
                larger.moveInitialize(from: entries, count: count)
                entries.deallocate()
                entries = larger
                capacity *= 2
            }
            (entries + count).initialize(
                to: clinux_private_file(
                    device: identity.device, inode: identity.inode, fd: descriptor, mode: mode.rawValue))
            count += 1
        }
    }

    func remove(_ identity: MemoryFileIdentity) {
        mutex.withLock {
            for index in 0..<count
            where entries[index].inode == identity.inode && entries[index].device == identity.device {
                count -= 1
                entries[index] = entries[count]
                return
            }
        }
    }

    /// What a child has to do. The mutex is held until then.
    func plan(copyLimitBytes: UInt64) -> clinux_fork_plan {
        clinux_fork_plan(files: entries, count: count, copy_limit_bytes: copyLimitBytes)
    }
}

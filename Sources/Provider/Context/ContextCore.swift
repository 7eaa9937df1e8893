import CLinux
import CVRDMAABI
import LinuxIO
import SharedMemory

/// What the data path needs of a context: a plain structure behind a pointer, so that no reference is counted.
@frozen
@usableFromInline
package struct ContextCore {
    @usableFromInline let doorbells: DoorbellTree
    @usableFromInline let kickDescriptor: Int32
    @usableFromInline let words: UnsafeMutableRawPointer
    @usableFromInline let queuePairs: SlotDirectory<ProviderQueuePair>
    let controlDescriptor: Int32
    let asyncDescriptor: Int32

    /// 1 when the guest driver or the endpoint is gone; never 0 again.
    @inlinable
    var fatal: SharedIndex { SharedIndex(words) }

    /// 1 when the last yield of a waiting thread let somebody else run.
    var sharesProcessor: SharedIndex { SharedIndex(words + 4) }

    func deallocate() {
        queuePairs.deallocate()
        words.deallocate()
    }
}

extension UnsafeMutablePointer where Pointee == ContextCore {
    /// Tells the endpoint of a queue that it does not look at by itself.
    @usableFromInline
    @inline(never)
    func ringDoorbell(_ queue: UInt32) {
        pointee.doorbells.ring(queue)
        clinux_fence_after_exchange()
        let kickWanted = pointee.doorbells.kickWanted
        if kickWanted.relaxed() != 0, kickWanted.exchange(0) != 0 { EventDescriptor.signal(pointee.kickDescriptor) }
    }

    /// Whether the guest driver or the endpoint is known to be gone.
    @inlinable
    var isFatal: Bool { pointee.fatal.relaxed() != 0 }

    func markFatal() {
        pointee.fatal.release(1)
    }
}

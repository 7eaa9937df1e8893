import CLinux
import Glibc
import LinuxIO

extension UnsafeMutablePointer where Pointee == ProviderCompletionQueue {
    /// Empty polls during which the processor is kept while the endpoint works on another one.
    private static var spinLimit: UInt32 { 64 }
    /// The same when the last yield let somebody run: the peer of a ping-pong, most likely, who has the answer.
    private static var sharedSpinLimit: UInt32 { 4 }
    /// A yield without anybody to yield to takes less.
    private static var switchNanoseconds: UInt64 { 800 }
    /// Empty polls between two looks at whether the device is still there.
    private static var livenessInterval: UInt32 { 1024 }

    /// What an empty poll does for the others: the endpoint may need this processor. True when the device is gone.
    @usableFromInline
    @inline(never)
    func standsStill() -> Bool {
        let core = pointee.core
        if core.isFatal { return true }
        let emptyPolls = pointee.emptyPolls.relaxed() &+ 1
        pointee.emptyPolls.storeRelaxed(emptyPolls)
        if emptyPolls % Self.livenessInterval == 0, core.isGone() { return true }
        guard emptyPolls > 1 else { return false }
        let endpointProcessor = core.pointee.doorbells.endpointProcessor.relaxed()
        let endpointRunsElsewhere =
            endpointProcessor != 0 && endpointProcessor != Scheduling.currentProcessor &+ 1
        let spinLimit = core.pointee.sharesProcessor.relaxed() == 0 ? Self.spinLimit : Self.sharedSpinLimit
        if endpointRunsElsewhere && emptyPolls <= spinLimit {
            clinux_pause()
        } else {
            let before = MonotonicClock.nowNanoseconds
            Scheduling.yield()
            let hasSwitched = MonotonicClock.nowNanoseconds &- before > Self.switchNanoseconds
            core.pointee.sharesProcessor.storeRelaxed(hasSwitched ? 1 : 0)
        }
        return false
    }
}

extension UnsafeMutablePointer where Pointee == ContextCore {
    /// Looks whether the guest driver or the endpoint closed its end, and notes it.
    func isGone() -> Bool {
        let none = pollfd(fd: -1, events: 0, revents: 0)
        var ends = (none, none)
        ends.0.fd = pointee.controlDescriptor
        ends.1.fd = pointee.asyncDescriptor
        let hangUp = Int16(truncatingIfNeeded: POLLHUP | POLLERR | POLLNVAL)
        _ = withUnsafeMutableBytes(of: &ends) { bytes in
            Glibc.poll(bytes.baseAddress?.assumingMemoryBound(to: pollfd.self), 2, 0)
        }
        if (ends.0.revents | ends.1.revents) & hangUp != 0 { markFatal() }
        return isFatal
    }
}

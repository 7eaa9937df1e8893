import CLinux
import CVRDMAABI

/// Posting of a list of requests: `begin`, `reserve` for each request in order, `end` with how many were filled in.
///
/// Between `begin` and `end` the calling thread holds the queue's lock: it must not post, poll or call the owner's
/// code. `reserve` says nil when the queue is full; entries come free only when completions are polled, as on hardware.
extension UnsafeMutablePointer where Pointee == ProviderQueuePair {
    @inlinable
    package func beginSend() {
        pointee.send.begin()
    }

    /// Memory for a `vrdma_send_wqe` and what is behind it, `position` entries after those that were posted before.
    @inlinable
    package func reserveSend(_ position: UInt32 = 0) -> UnsafeMutableRawPointer? {
        pointee.send.reserve(position)
    }

    @inlinable
    package func endSend(_ count: UInt32) {
        pointee.send.publish(count, pointee.core)
    }

    @inlinable
    package func beginReceive() {
        pointee.receive.begin()
    }

    /// Memory for a `vrdma_receive_wqe` and what is behind it, `position` entries after those that were posted before.
    @inlinable
    package func reserveReceive(_ position: UInt32 = 0) -> UnsafeMutableRawPointer? {
        pointee.receive.reserve(position)
    }

    @inlinable
    package func endReceive(_ count: UInt32) {
        pointee.receive.publish(count, pointee.core)
    }
}

import CLinux

extension UnsafeMutablePointer where Pointee == ProviderQueuePair {
    /// Starts both queues anew. The endpoint, which is in RESET, starts at zero as well.
    func forgetRequests() {
        withUnsafeMutablePointer(to: &pointee.send) { $0.restart() }
        withUnsafeMutablePointer(to: &pointee.receive) { $0.restart() }
    }
}

extension UnsafeMutablePointer where Pointee == PostingQueue {
    fileprivate func restart() {
        guard pointee.entryCount > 0 else { return }
        clinux_spin_lock(&pointee.lock)
        clinux_store_release32(&pointee.tail, 0)
        clinux_store_release32(&pointee.freed, 0)
        clinux_store_release32(pointee.header, 0)
        clinux_spin_unlock(&pointee.lock)
    }
}

import SharedMemory
import Verbs

/// Requests on a port that is down. A device ends them when its retries are used up; soft-RoCE sometimes forgets its timer,
/// and then nobody would end them. What is several times overdue is ended here, as the device should have (IBA 9.7.6.1.3).
extension Device {
    private static var checkNanoseconds: UInt64 { 1_000_000_000 }
    private static var patience: UInt64 { 4 }

    /// Begins to watch a port that went down, and ends it with one that is active.
    func watchPort(_ host: HostState) {
        host.nextPortCheckNanoseconds =
            host.adapter.isAvailable && !host.adapter.port.isActive
            ? turn.nowNanoseconds &+ Self.checkNanoseconds : nil
    }

    /// Looks at requests on a port that is down, once in a while.
    func checkPort(_ host: HostState) {
        guard let check = host.nextPortCheckNanoseconds, turn.nowNanoseconds >= check else { return }
        watchPort(host)
        guard host.nextPortCheckNanoseconds != nil else { return }
        for guest in guests.values {
            for index in queuePairIndices(ofGuest: guest.identifier) where isOverdue(index) { endOverdue(index) }
        }
    }

    private func isOverdue(_ index: UInt32) -> Bool {
        guard queuePairs[index].path == .host, queuePairs[index].state == .readyToSend,
            queuePairs[index].sendHead != queuePairs[index].sendForwarded,
            let timeout = Timers.ackTimeoutNanoseconds(encoded: queuePairs[index].attributes.timeout)
        else {
            queuePairs[index].standingSinceNanoseconds = 0
            return false
        }
        guard queuePairs[index].standingSinceNanoseconds > 0,
            queuePairs[index].standingHead == queuePairs[index].sendHead
        else {
            queuePairs[index].standingHead = queuePairs[index].sendHead
            queuePairs[index].standingSinceNanoseconds = turn.nowNanoseconds
            return false
        }
        let tries = UInt64(queuePairs[index].attributes.retry_count) &+ 1
        let due = max(Self.checkNanoseconds, timeout &* tries &* Self.patience)
        return turn.nowNanoseconds &- queuePairs[index].standingSinceNanoseconds >= due
    }

    private func endOverdue(_ index: UInt32) {
        abandonHostPath(index)
        let wqe = queuePairs[index].send.sendEntry(queuePairs[index].sendHead)
        completeSendInError(index, wqe, .retryExceeded)
        enterError(index)
    }
}

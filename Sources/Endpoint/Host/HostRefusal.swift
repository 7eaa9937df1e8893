import CVRDMAABI
import SharedMemory
import Tables
import Verbs

/// Requests that the device does not get, because they are wrong, or does not take. Each ends in its place in the order:
/// after those before it, which the device has, and before those after it, which are flushed.
extension Device {
    /// A request stands at the end of what was handed on that the device will not get.
    func hasRefusal(_ index: UInt32) -> Bool {
        queuePairs[index].refusedStatus != .success
            && queuePairs[index].refusedIndex == queuePairs[index].sendForwarded
    }

    /// Such a request waits for those before it; and those after one that was made to fail at the device wait for that.
    func isHeldByRefusal(_ index: UInt32) -> Bool {
        guard queuePairs[index].refusedStatus != .success else { return false }
        let left = queuePairs[index].sendForwarded &- queuePairs[index].sendHead
        return left > 0 && queuePairs[index].refusedIndex &- queuePairs[index].sendHead <= left
    }

    /// - Parameter status: how it ends; nil when the device did not take it.
    func refuse(_ index: UInt32, _ position: UInt32, _ status: WorkCompletionStatus?, _ host: HostState) {
        // A device that is going away takes nothing; what it had is flushed when that is known.
        guard queuePairs[index].path == .host, host.adapter.isAvailable else { return }
        queuePairs[index].refusedIndex = position
        queuePairs[index].refusedStatus = status ?? statusOfUntaken(index, position)
        if queuePairs[index].sendHead == position || queuePairs[index].isLastForwardedSignaled
            || queuePairs[index].state == .error
        {
            return
        }
        // Nobody will tell when those before it are done, which were not signaled: so the device has to end it, with a key
        // that the queue pair may not use.
        var request = HostSendRequest(index: position, opcode: .rdmaWrite)
        request.isSignaled = true
        request.elementCount = 1
        host.elements[0] = vrdma_sge(address: 0, length: 1, lkey: host.adapter.forbiddenLocalKey)
        if host.adapter.appendSend(request, elements: host.elements), host.adapter.postSends(index) == 1 {
            queuePairs[index].sendForwarded = position &+ 1
            queuePairs[index].isLastForwardedSignaled = true
        } else {
            abandonHostPath(index)
            enterError(index)
            raise(.queuePairFatal, queuePair: index)
        }
    }

    /// Some devices refuse at once what others let the responder refuse: an atomic on an address that is no multiple of 8
    /// (IBA 9.7.4.1.7).
    private func statusOfUntaken(_ index: UInt32, _ position: UInt32) -> WorkCompletionStatus {
        let wqe = queuePairs[index].send.sendEntry(position)
        let isAtomic = WorkRequestOpcode(rawValue: wqe.opcode)?.isAtomic ?? false
        return isAtomic && wqe.remote_address & 7 != 0 ? .remoteInvalidRequestError : .localQueuePairOperationError
    }

    /// Its place in the order has come.
    func endRefused(_ index: UInt32) {
        let status = queuePairs[index].state == .error ? .flushError : queuePairs[index].refusedStatus
        let wqe = queuePairs[index].send.sendEntry(queuePairs[index].refusedIndex)
        completeSendInError(index, wqe, status)
        queuePairs[index].sendForwarded = queuePairs[index].sendHead
        queuePairs[index].refusedStatus = .success
        if queuePairs[index].state != .error { enterError(index) }
    }

    /// Whether the guest wants a completion for a success.
    func isSignaled(_ index: UInt32, _ position: UInt32) -> Bool {
        queuePairs[index].signalsAll
            || UInt32(queuePairs[index].send.sendEntry(position).flags) & VRDMA_SEND_SIGNALED.rawValue != 0
    }
}

import CVRDMAABI
import MemoryTranslation
import SharedMemory
import Tables
import Verbs

/// Hands guests' send requests to the host adapter: each is read once, checked, translated and posted.
///
/// What is wrong on the requester's own side is found here, as on the local path, and ends the request in its place: when
/// those before it are done.
extension Device {
    private enum Appending {
        case done(isSignaled: Bool)
        /// The adapter's batch has no room; or it cannot express the request, when it is the first.
        case full
        case fault(WorkCompletionStatus)
    }

    /// A queue pair's turn. False when there was nothing to hand on.
    func forward(_ index: UInt32) -> Bool {
        let receives = forwardReceives(index, limit: limits.workRequestsPerTurn)
        let sends = queuePairs[index].state.handsOnSends && forwardSends(index)
        return receives || sends
    }

    func hasWorkForHost(_ index: UInt32) -> Bool {
        if queuePairs[index].receive.entryCount > 0,
            queuePairs[index].receive.tail.acquire() != queuePairs[index].receiveForwarded
        {
            return true
        }
        return queuePairs[index].state.handsOnSends && !isHeldByRefusal(index)
            && queuePairs[index].send.tail.acquire() != queuePairs[index].sendForwarded
    }

    private func forwardSends(_ index: UInt32) -> Bool {
        guard let host else { return false }
        let tail = queuePairs[index].send.tail.acquire()
        let first = queuePairs[index].sendForwarded
        guard tail != first, !isHeldByRefusal(index) else { return false }
        guard tail &- queuePairs[index].sendHead <= queuePairs[index].send.entryCount,
            tail &- first <= tail &- queuePairs[index].sendHead
        else {
            breakQueuePair(index, "send queue index out of range")
            return true
        }
        if hasRefusal(index) {
            endRefused(index)
            return true
        }
        let budget = UInt32(clamping: max(1, min(limits.workRequestsPerTurn, turn.requestsLeft)))
        var appended: UInt32 = 0
        var isLastSignaled = false
        var fault: WorkCompletionStatus?
        appending: while appended < min(budget, tail &- first) {
            switch append(index, first &+ appended, to: host) {
            case .done(let isSignaled):
                appended &+= 1
                isLastSignaled = isSignaled
            case .full:
                if appended == 0 { fault = .localQueuePairOperationError }
                break appending
            case .fault(let status):
                fault = status
                break appending
            }
        }
        if fault != nil, appended > 0 {
            // Its completion tells that the faulty request's turn has come.
            host.adapter.signalLastSend()
            isLastSignaled = true
        }
        let posted = appended == 0 ? 0 : UInt32(clamping: host.adapter.postSends(index))
        guard queuePairs[index].path == .host else { return true }
        queuePairs[index].sendForwarded = first &+ posted
        turn.requestsLeft &-= Int(posted)
        if posted > 0 {
            queuePairs[index].isLastForwardedSignaled =
                posted == appended ? isLastSignaled : isSignaled(index, first &+ posted &- 1)
        }
        if posted < appended {
            refuse(index, first &+ posted, nil, host)
        } else if appended == 0, let fault {
            refuse(index, first, fault, host)
        }
        return true
    }

    private func append(_ index: UInt32, _ position: UInt32, to host: HostState) -> Appending {
        let wqe = queuePairs[index].send.sendEntry(position)
        let flags = UInt32(wqe.flags)
        let isInline = flags & VRDMA_SEND_INLINE.rawValue != 0
        guard let opcode = WorkRequestOpcode(rawValue: wqe.opcode),
            UInt32(wqe.sge_count) <= queuePairs[index].maxSendElements,
            !isInline || (wqe.inline_bytes <= queuePairs[index].maxInlineBytes && opcode.permitsInline)
        else { return .fault(.localQueuePairOperationError) }
        var request = HostSendRequest(index: position, opcode: opcode)
        request.isSignaled = queuePairs[index].signalsAll || flags & VRDMA_SEND_SIGNALED.rawValue != 0
        request.isFenced = flags & VRDMA_SEND_FENCE.rawValue != 0
        request.isSolicited = flags & VRDMA_SEND_SOLICITED.rawValue != 0
        request.immediate = wqe.immediate
        request.remoteAddress = wqe.remote_address
        request.remoteKey = realRemoteKey(wqe.rkey, ofGuest: queuePairs[index].peerGuest, host)
        if isInline {
            request.inlineAddress = queuePairs[index].send.inlineDataAddress(position)
            request.inlineBytes = wqe.inline_bytes
        } else if let fault = addElements(index, wqe, position, opcode, to: &request, host) {
            return .fault(fault)
        }
        return host.adapter.appendSend(request, elements: host.elements) ? .done(isSignaled: request.isSignaled) : .full
    }

    /// Adds the elements with the keys that the device knows, checked as on the local path. Those without bytes are left
    /// out: they are not checked (IBA 10.6.3.2), and some devices take the length 0 for the greatest one.
    private func addElements(
        _ index: UInt32, _ wqe: vrdma_send_wqe, _ position: UInt32, _ opcode: WorkRequestOpcode,
        to request: inout HostSendRequest, _ host: HostState
    ) -> WorkCompletionStatus? {
        if opcode.isAtomic {
            guard wqe.sge_count == 1 else { return .localLengthError }
            request.compareAdd = wqe.extension.atomic.compare_add
            request.swap = wqe.extension.atomic.swap
        }
        let access: AccessFlags = opcode == .rdmaRead || opcode.isAtomic ? .localWrite : []
        var total: UInt64 = 0
        for number in 0..<UInt32(wqe.sge_count) where request.elementCount < host.elements.count {
            var element = queuePairs[index].send.sendElement(position, number)
            if opcode.isAtomic {
                guard element.length >= 8 else { return .localLengthError }
                element.length = 8
            }
            total &+= UInt64(element.length)
            guard element.length > 0 else { continue }
            guard translateLocal(index, element, needs: access).fault == .none,
                let key = queuePairs[index].mappings.hostKey(MemoryKey(rawValue: element.lkey))
            else { return .localProtectionError }
            element.lkey = key
            host.elements[request.elementCount] = element
            request.elementCount &+= 1
        }
        return total <= queuePairs[index].maxMessageBytes ? nil : .localLengthError
    }

    /// Keys of peers elsewhere mean something to their devices as they are.
    @inline(__always)
    private func realRemoteKey(_ key: UInt32, ofGuest guest: UInt32, _ host: HostState) -> UInt32 {
        guard guest != 0 else { return key }
        return host.remoteKeys.real(of: .init(guest: guest, number: key)) ?? key
    }
}

extension QueuePairState {
    /// The device executes, holds or flushes what is posted in these states.
    fileprivate var handsOnSends: Bool { self == .readyToSend || self == .sendQueueDrained || self == .error }
}

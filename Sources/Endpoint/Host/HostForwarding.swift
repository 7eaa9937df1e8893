import CVRDMAABI
import MemoryTranslation
import SharedMemory
import Tables
import Verbs

/// Hands guests' work requests to the host adapter: each is read once, checked, translated and posted.
///
/// What a guest may not do is not refused here, where requests before it are still under way, but made to fail at the
/// device: with a local key that the queue pair may not use. So errors come in their place in the order.
extension Device {
    /// A queue pair's turn. False when there was nothing to hand on.
    func forward(_ index: UInt32) -> Bool {
        let receives = forwardReceives(index, limit: limits.workRequestsPerTurn)
        let sends = queuePairs[index].state.handsOnSends && forwardSends(index)
        return receives || sends
    }

    func hasWorkForHost(_ index: UInt32) -> Bool {
        queuePairs[index].receive.entryCount > 0
            && queuePairs[index].receive.tail.acquire() != queuePairs[index].receiveForwarded
            || queuePairs[index].state.handsOnSends
                && queuePairs[index].send.tail.acquire() != queuePairs[index].sendForwarded
    }

    private func forwardSends(_ index: UInt32) -> Bool {
        guard let host else { return false }
        let tail = queuePairs[index].send.tail.acquire()
        let first = queuePairs[index].sendForwarded
        guard tail != first else { return false }
        guard tail &- queuePairs[index].sendHead <= queuePairs[index].send.entryCount,
            tail &- first <= tail &- queuePairs[index].sendHead
        else {
            breakQueuePair(index, "send queue index out of range")
            return true
        }
        let budget = UInt32(clamping: max(1, min(limits.workRequestsPerTurn, turn.requestsLeft)))
        var appended: UInt32 = 0
        while appended < min(budget, tail &- first), appendSend(index, first &+ appended, to: host) {
            appended &+= 1
        }
        let posted = UInt32(clamping: host.adapter.postSends(index))
        queuePairs[index].sendForwarded = first &+ posted
        turn.requestsLeft &-= Int(posted)
        if posted == 0 || posted < appended { refuse(index, first &+ posted) }
        return true
    }

    /// The device did not take a request: it fails in its place, and if even that is impossible, so does the queue pair.
    private func refuse(_ index: UInt32, _ position: UInt32) {
        guard path(of: index) == .host else { return }
        guard queuePairs[index].refusedStatus == .success else {
            // A device that is going away takes nothing; it is flushed when that is known.
            guard host?.adapter.isAvailable == true else { return }
            abandonHostPath(index)
            enterError(index)
            raise(.queuePairFatal, queuePair: index)
            return
        }
        queuePairs[index].refusedIndex = position
        queuePairs[index].refusedStatus = .localQueuePairOperationError
    }

    private func path(of index: UInt32) -> QueuePair.Path { queuePairs[index].path }

    private func appendSend(_ index: UInt32, _ position: UInt32, to host: HostState) -> Bool {
        let wqe = queuePairs[index].send.sendEntry(position)
        let flags = UInt32(wqe.flags)
        let isInline = flags & VRDMA_SEND_INLINE.rawValue != 0
        let isRefused = queuePairs[index].refusedStatus != .success && queuePairs[index].refusedIndex == position
        guard !isRefused, let opcode = WorkRequestOpcode(rawValue: wqe.opcode),
            UInt32(wqe.sge_count) <= queuePairs[index].maxSendElements,
            !isInline || (wqe.inline_bytes <= queuePairs[index].maxInlineBytes && opcode.permitsInline)
        else { return appendRefused(index, position, to: host) }
        var request = HostSendRequest(index: position, opcode: opcode)
        request.isSignaled = queuePairs[index].signalsAll || flags & VRDMA_SEND_SIGNALED.rawValue != 0
        request.isFenced = flags & VRDMA_SEND_FENCE.rawValue != 0
        request.isSolicited = flags & VRDMA_SEND_SOLICITED.rawValue != 0
        request.immediate = wqe.immediate
        request.remoteAddress = wqe.remote_address
        request.remoteKey = realRemoteKey(wqe.rkey, ofGuest: queuePairs[index].peerGuest, host)
        if opcode.isAtomic {
            request.compareAdd = wqe.extension.atomic.compare_add
            request.swap = wqe.extension.atomic.swap
        }
        if isInline {
            request.inlineAddress = queuePairs[index].send.inlineDataAddress(position)
            request.inlineBytes = wqe.inline_bytes
        } else {
            for element in 0..<UInt32(wqe.sge_count) {
                translate(index, queuePairs[index].send.sendElement(position, element), host, &request.elementCount)
            }
        }
        return host.adapter.appendSend(request, elements: host.elements)
    }

    /// In place of a request that cannot be made: one that fails at the device.
    private func appendRefused(_ index: UInt32, _ position: UInt32, to host: HostState) -> Bool {
        if queuePairs[index].refusedStatus == .success {
            queuePairs[index].refusedIndex = position
            queuePairs[index].refusedStatus = .localQueuePairOperationError
        }
        var request = HostSendRequest(index: position, opcode: .rdmaWrite)
        request.isSignaled = true
        request.elementCount = 1
        host.elements[0] = vrdma_sge(address: 0, length: 1, lkey: host.adapter.forbiddenLocalKey)
        return host.adapter.appendSend(request, elements: host.elements)
    }

    /// Hands on receives. False when there were none.
    func forwardReceives(_ index: UInt32, limit: Int) -> Bool {
        guard let host, queuePairs[index].receive.entryCount > 0 else { return false }
        let tail = queuePairs[index].receive.tail.acquire()
        let first = queuePairs[index].receiveForwarded
        guard tail != first else { return false }
        guard tail &- queuePairs[index].receiveHead <= queuePairs[index].receive.entryCount,
            tail &- first <= tail &- queuePairs[index].receiveHead
        else {
            breakQueuePair(index, "receive queue index out of range")
            return true
        }
        let count = min(UInt32(clamping: limit), tail &- first)
        var done: UInt32 = 0
        while done < count {
            var appended: UInt32 = 0
            while done &+ appended < count, appendReceive(index, first &+ done &+ appended, to: host) {
                appended &+= 1
            }
            let posted = UInt32(clamping: host.adapter.postReceives(index))
            done &+= posted
            guard posted == appended, posted > 0 else { break }
        }
        queuePairs[index].receiveForwarded = first &+ done
        turn.requestsLeft &-= Int(done)
        if done == 0, queuePairs[index].path == .host, host.adapter.isAvailable {
            abandonHostPath(index)
            enterError(index)
            raise(.queuePairFatal, queuePair: index)
        }
        return true
    }

    private func appendReceive(_ index: UInt32, _ position: UInt32, to host: HostState) -> Bool {
        let wqe = queuePairs[index].receive.receiveEntry(position)
        var count = 0
        if wqe.sge_count <= queuePairs[index].maxReceiveElements {
            for element in 0..<wqe.sge_count {
                translate(index, queuePairs[index].receive.receiveElement(position, element), host, &count)
            }
        } else {
            host.elements[0] = vrdma_sge(address: 0, length: .max >> 1, lkey: host.adapter.forbiddenLocalKey)
            count = 1
        }
        return host.adapter.appendReceive(index: position, elements: host.elements, elementCount: count)
    }

    /// Adds an element with the key that the device knows. Elements without bytes are left out: they are not checked
    /// (IBA 10.6.3.2), and some devices take the length 0 for the greatest one.
    @inline(__always)
    private func translate(_ index: UInt32, _ element: vrdma_sge, _ host: HostState, _ count: inout Int) {
        guard element.length > 0, count < host.elements.count else { return }
        var translated = element
        translated.lkey =
            queuePairs[index].mappings.hostKey(MemoryKey(rawValue: element.lkey)) ?? host.adapter.forbiddenLocalKey
        host.elements[count] = translated
        count &+= 1
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

import CRDMACore
import CVRDMAABI
import Endpoint
import Tables
import Verbs

extension VerbsAdapter {
    package func appendSend(_ request: HostSendRequest, elements: Block<vrdma_sge>) -> Bool {
        guard let wr = sends.append(request.index, elements, request.elementCount) else { return false }
        wr.pointee.opcode = ibv_wr_opcode(rawValue: UInt32(request.opcode.rawValue))
        var flags: UInt32 = 0
        if request.isSignaled { flags |= IBV_SEND_SIGNALED.rawValue }
        if request.isFenced { flags |= IBV_SEND_FENCE.rawValue }
        if request.isSolicited { flags |= IBV_SEND_SOLICITED.rawValue }
        if request.inlineAddress != 0 {
            flags |= IBV_SEND_INLINE.rawValue
            wr.pointee.sg_list?.pointee = ibv_sge(
                addr: UInt64(request.inlineAddress), length: request.inlineBytes, lkey: 0)
            wr.pointee.num_sge = 1
        }
        wr.pointee.send_flags = flags
        wr.pointee.imm_data = request.immediate
        if request.opcode.isAtomic {
            wr.pointee.wr.atomic.remote_addr = request.remoteAddress
            wr.pointee.wr.atomic.compare_add = request.compareAdd
            wr.pointee.wr.atomic.swap = request.swap
            wr.pointee.wr.atomic.rkey = request.remoteKey
        } else {
            wr.pointee.wr.rdma.remote_addr = request.remoteAddress
            wr.pointee.wr.rdma.rkey = request.remoteKey
        }
        return true
    }

    package func signalLastSend() {
        sends.last?.pointee.send_flags |= IBV_SEND_SIGNALED.rawValue
    }

    package func appendReceive(index: UInt32, elements: Block<vrdma_sge>, elementCount: Int) -> Bool {
        receives.append(index, elements, elementCount) != nil
    }

    package func postSends(_ queuePair: UInt32) -> Int {
        let place = Int(queuePair)
        guard place < queuePairs.count, let real = queuePairs[place].real else {
            sends.removeAll()
            return 0
        }
        let (count, last, result) = sends.post(
            queuePair, generation: queuePairs[place].generation, isReceive: false
        ) { ibv_post_send(real, $0, &$1) }
        if result != 0 { lastPostingError = noteFailure(.ofDevice(result)) }
        guard count > 0, queuePairs[place].real != nil else { return count }
        queuePairs[place].sendTail = last &+ 1
        queuePairs[place].sendOutstanding &+= UInt32(truncatingIfNeeded: count)
        expect(count, on: queuePairs[place].sendCompletionQueue)
        return count
    }

    package func postReceives(_ queuePair: UInt32) -> Int {
        let place = Int(queuePair)
        guard place < queuePairs.count, let real = queuePairs[place].real else {
            receives.removeAll()
            return 0
        }
        let (count, last, result) = receives.post(
            queuePair, generation: queuePairs[place].generation, isReceive: true
        ) { ibv_post_recv(real, $0, &$1) }
        if result != 0 { lastPostingError = noteFailure(.ofDevice(result)) }
        guard count > 0, queuePairs[place].real != nil else { return count }
        queuePairs[place].receiveTail = last &+ 1
        queuePairs[place].receiveOutstanding &+= UInt32(truncatingIfNeeded: count)
        expect(count, on: queuePairs[place].receiveCompletionQueue)
        watchReceives(place)
        return count
    }

    /// Requests were posted whose completions come to a queue.
    @inline(__always)
    private func expect(_ count: Int, on queue: UInt32) {
        completionQueues[Int(queue)].outstanding &+= UInt64(truncatingIfNeeded: count)
        makeHot(queue)
    }
}

import CRDMACore
import CVRDMAABI
import Endpoint
import Tables
import Verbs

/// Send requests on their way to one queue pair, in memory that is there from the start.
struct SendBatch {
    private let count: Block<Int>
    private let capacity: Int
    private let elementLimit: Int
    private let requests: UnsafeMutablePointer<ibv_send_wr>
    /// `elementLimit` for each request.
    private let elements: UnsafeMutablePointer<ibv_sge>

    init(_ limits: VerbsAdapterLimits) {
        capacity = max(1, limits.requestsPerBatch)
        elementLimit = max(1, limits.scatterGatherElements)
        count = .allocate(count: 1, repeating: 0)
        requests = .allocate(capacity: capacity)
        requests.initialize(repeating: ibv_send_wr(), count: capacity)
        elements = .allocate(capacity: capacity * elementLimit)
        elements.initialize(repeating: ibv_sge(), count: capacity * elementLimit)
        for place in 0..<capacity {
            requests[place].sg_list = elements + place * elementLimit
            requests[place].next = place + 1 < capacity ? requests + place + 1 : nil
        }
    }

    func deallocate() {
        count.deallocate()
        requests.deallocate()
        elements.deallocate()
    }

    func removeAll() {
        count[0] = 0
    }

    @inline(__always)
    func append(_ request: HostSendRequest, _ given: Block<vrdma_sge>) -> Bool {
        let place = count[0]
        guard place < capacity, request.elementCount >= 0, request.elementCount <= elementLimit,
            request.elementCount <= given.count
        else { return false }
        let wr = requests + place
        let list = elements + place &* elementLimit
        wr.pointee.wr_id = UInt64(request.index)
        wr.pointee.opcode = ibv_wr_opcode(rawValue: UInt32(request.opcode.rawValue))
        var flags: UInt32 = 0
        if request.isSignaled { flags |= IBV_SEND_SIGNALED.rawValue }
        if request.isFenced { flags |= IBV_SEND_FENCE.rawValue }
        if request.isSolicited { flags |= IBV_SEND_SOLICITED.rawValue }
        if request.inlineAddress != 0 {
            flags |= IBV_SEND_INLINE.rawValue
            list.pointee = ibv_sge(addr: UInt64(request.inlineAddress), length: request.inlineBytes, lkey: 0)
            wr.pointee.num_sge = 1
        } else {
            for element in 0..<request.elementCount {
                let from = given[element]
                list[element] = ibv_sge(addr: from.address, length: from.length, lkey: from.lkey)
            }
            wr.pointee.num_sge = Int32(truncatingIfNeeded: request.elementCount)
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
        count[0] = place &+ 1
        return true
    }

    func signalLast() {
        guard count[0] > 0 else { return }
        requests[count[0] &- 1].send_flags |= IBV_SEND_SIGNALED.rawValue
    }

    /// Posts all with one call, and is empty then. Tells how many the device took, and the index of the last of them.
    func post(
        on queuePair: UnsafeMutablePointer<ibv_qp>, _ index: UInt32, _ generation: UInt32
    ) -> (count: Int, last: UInt32, result: Int32) {
        let total = count[0]
        guard total > 0 else { return (0, 0, 0) }
        count[0] = 0
        for place in 0..<total {
            requests[place].wr_id =
                RequestIdentifier(
                    queuePair: index, generation: generation, isReceive: false,
                    index: UInt32(truncatingIfNeeded: requests[place].wr_id)
                ).rawValue
        }
        let end = requests + (total &- 1)
        let next = end.pointee.next
        end.pointee.next = nil
        var bad: UnsafeMutablePointer<ibv_send_wr>?
        let result = ibv_post_send(queuePair, requests, &bad)
        end.pointee.next = next
        var taken = total
        if result != 0, let bad { taken = max(0, min(total, bad - requests)) }
        guard taken > 0 else { return (0, 0, result) }
        return (taken, RequestIdentifier(rawValue: requests[taken &- 1].wr_id).index, result)
    }
}

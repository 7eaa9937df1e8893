import CRDMACore
import CVRDMAABI
import Tables
import Verbs

/// Receives on their way to one queue pair, in memory that is there from the start.
struct ReceiveBatch {
    private let count: Block<Int>
    private let capacity: Int
    private let elementLimit: Int
    private let requests: UnsafeMutablePointer<ibv_recv_wr>
    /// `elementLimit` for each request.
    private let elements: UnsafeMutablePointer<ibv_sge>

    init(_ limits: VerbsAdapterLimits) {
        capacity = max(1, limits.requestsPerBatch)
        elementLimit = max(1, limits.scatterGatherElements)
        count = .allocate(count: 1, repeating: 0)
        requests = .allocate(capacity: capacity)
        requests.initialize(repeating: ibv_recv_wr(), count: capacity)
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
    func append(_ index: UInt32, _ given: Block<vrdma_sge>, _ elementCount: Int) -> Bool {
        let place = count[0]
        guard place < capacity, elementCount >= 0, elementCount <= elementLimit, elementCount <= given.count else {
            return false
        }
        let list = elements + place &* elementLimit
        for element in 0..<elementCount {
            let from = given[element]
            list[element] = ibv_sge(addr: from.address, length: from.length, lkey: from.lkey)
        }
        requests[place].wr_id = UInt64(index)
        requests[place].num_sge = Int32(truncatingIfNeeded: elementCount)
        count[0] = place &+ 1
        return true
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
                    queuePair: index, generation: generation, isReceive: true,
                    index: UInt32(truncatingIfNeeded: requests[place].wr_id)
                ).rawValue
        }
        let end = requests + (total &- 1)
        let next = end.pointee.next
        end.pointee.next = nil
        var bad: UnsafeMutablePointer<ibv_recv_wr>?
        let result = ibv_post_recv(queuePair, requests, &bad)
        end.pointee.next = next
        var taken = total
        if result != 0, let bad { taken = max(0, min(total, bad - requests)) }
        guard taken > 0 else { return (0, 0, result) }
        return (taken, RequestIdentifier(rawValue: requests[taken &- 1].wr_id).index, result)
    }
}

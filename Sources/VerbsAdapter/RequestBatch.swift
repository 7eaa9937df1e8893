import CRDMACore
import CVRDMAABI
import Tables

/// What send and receive requests of the library have in common.
protocol ChainedRequest {
    init()
    /// `wr_id`
    var identifier: UInt64 { get set }
    /// `next`
    var following: UnsafeMutablePointer<Self>? { get set }
    /// `sg_list`
    var elements: UnsafeMutablePointer<ibv_sge>? { get set }
    /// `num_sge`
    var elementCount: Int32 { get set }
}

extension ibv_send_wr: ChainedRequest {
    var identifier: UInt64 {
        get { wr_id }
        set { wr_id = newValue }
    }
    var following: UnsafeMutablePointer<ibv_send_wr>? {
        get { next }
        set { next = newValue }
    }
    var elements: UnsafeMutablePointer<ibv_sge>? {
        get { sg_list }
        set { sg_list = newValue }
    }
    var elementCount: Int32 {
        get { num_sge }
        set { num_sge = newValue }
    }
}

extension ibv_recv_wr: ChainedRequest {
    var identifier: UInt64 {
        get { wr_id }
        set { wr_id = newValue }
    }
    var following: UnsafeMutablePointer<ibv_recv_wr>? {
        get { next }
        set { next = newValue }
    }
    var elements: UnsafeMutablePointer<ibv_sge>? {
        get { sg_list }
        set { sg_list = newValue }
    }
    var elementCount: Int32 {
        get { num_sge }
        set { num_sge = newValue }
    }
}

/// Requests on their way to one queue pair, in memory that is there from the start.
struct RequestBatch<Request: ChainedRequest> {
    private let count: Block<Int>
    private let capacity: Int
    private let elementLimit: Int
    private let requests: UnsafeMutablePointer<Request>
    /// `elementLimit` for each request.
    private let elements: UnsafeMutablePointer<ibv_sge>

    init(_ limits: VerbsAdapterLimits) {
        capacity = max(1, limits.requestsPerBatch)
        elementLimit = max(1, limits.scatterGatherElements)
        count = .allocate(count: 1, repeating: 0)
        requests = .allocate(capacity: capacity)
        requests.initialize(repeating: Request(), count: capacity)
        elements = .allocate(capacity: capacity * elementLimit)
        elements.initialize(repeating: ibv_sge(), count: capacity * elementLimit)
        for place in 0..<capacity {
            requests[place].elements = elements + place * elementLimit
            requests[place].following = place + 1 < capacity ? requests + place + 1 : nil
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

    /// The last request; nil when there is none.
    var last: UnsafeMutablePointer<Request>? {
        @inline(__always) get { count[0] > 0 ? requests + (count[0] &- 1) : nil }
    }

    /// Adds a request with its elements, for the caller to fill in the rest. Nil when there is no room for it.
    @inline(__always)
    func append(_ index: UInt32, _ given: Block<vrdma_sge>, _ elementCount: Int) -> UnsafeMutablePointer<Request>? {
        let place = count[0]
        guard place < capacity, elementCount >= 0, elementCount <= elementLimit, elementCount <= given.count else {
            return nil
        }
        let list = elements + place &* elementLimit
        for element in 0..<elementCount {
            let from = given[element]
            list[element] = ibv_sge(addr: from.address, length: from.length, lkey: from.lkey)
        }
        requests[place].identifier = UInt64(index)
        requests[place].elementCount = Int32(truncatingIfNeeded: elementCount)
        count[0] = place &+ 1
        return requests + place
    }

    /// Posts all with one call, and is empty then. Tells how many the device took, and the index of the last of them.
    ///
    /// - Parameter post: posts the chain that begins with the request, and says which was not taken.
    @inline(__always)
    func post(
        _ queuePair: UInt32, generation: UInt32, isReceive: Bool,
        _ post: (UnsafeMutablePointer<Request>, inout UnsafeMutablePointer<Request>?) -> Int32
    ) -> (count: Int, last: UInt32, result: Int32) {
        let total = count[0]
        guard total > 0 else { return (0, 0, 0) }
        count[0] = 0
        for place in 0..<total {
            requests[place].identifier =
                RequestIdentifier(
                    queuePair: queuePair, generation: generation, isReceive: isReceive,
                    index: UInt32(truncatingIfNeeded: requests[place].identifier)
                ).rawValue
        }
        let end = requests + (total &- 1)
        let next = end.pointee.following
        end.pointee.following = nil
        var bad: UnsafeMutablePointer<Request>?
        let result = post(requests, &bad)
        end.pointee.following = next
        var taken = total
        if result != 0, let bad { taken = max(0, min(total, bad - requests)) }
        guard taken > 0 else { return (0, 0, result) }
        return (taken, RequestIdentifier(rawValue: requests[taken &- 1].identifier).index, result)
    }
}

import CRDMACore
import Verbs

/// Finds out how much data a request can carry itself: no query tells, only the making of a queue pair.
enum InlineProbe {
    /// More than devices have.
    private static let beyond: UInt32 = 4096

    /// The most inline bytes of a queue pair with that many elements a request.
    static func largestInlineBytes(
        _ context: UnsafeMutablePointer<ibv_context>, elements: Int
    ) throws(Errno) -> UInt32 {
        guard let domain = ibv_alloc_pd(context) else { throw .ofDevice }
        defer { ibv_dealloc_pd(domain) }
        guard let queue = ibv_create_cq(context, 1, nil, nil, 0) else { throw .ofDevice }
        defer { ibv_destroy_cq(queue) }

        func granted(_ inlineBytes: UInt32) throws(Errno) -> UInt32 {
            var attributes = ibv_qp_init_attr()
            attributes.send_cq = queue
            attributes.recv_cq = queue
            attributes.qp_type = IBV_QPT_RC
            attributes.cap.max_send_wr = 1
            attributes.cap.max_recv_wr = 1
            attributes.cap.max_send_sge = UInt32(clamping: elements)
            attributes.cap.max_recv_sge = 1
            attributes.cap.max_inline_data = inlineBytes
            guard let queuePair = ibv_create_qp(domain, &attributes) else { throw .ofDevice }
            ibv_destroy_qp(queuePair)
            return max(inlineBytes, attributes.cap.max_inline_data)
        }

        var works = try granted(0)
        var fails = Self.beyond
        while works &+ 1 < fails {
            let middle = works &+ (fails &- works) / 2
            if let more = try? granted(middle) { works = more } else { fails = middle }
        }
        return min(works, Self.beyond)
    }
}

import CIBVerbsObjects
import Glibc
import Testing

extension WithDevice {
    /// What an application gets wrong is told by the errno value that ibv_post_send(3) names, and by `bad_wr`.
    @Suite struct PostingErrorTests {
        @Test func statesThatTakeNoRequests() throws {
            let installation = try Installation()
            let a = try Program("a", installation)
            #expect(a.post(IBV_WR_SEND, []) == (EINVAL, true))
            #expect(a.postReceive([]) == (EINVAL, true))
            try a.initialize()
            #expect(a.post(IBV_WR_SEND, []) == (EINVAL, true))
            #expect(a.postReceive([]) == (0, false))
            a.close()
        }

        @Test func requestsThatCannotBe() throws {
            let installation = try Installation()
            let a = try Program("a", installation)
            let b = try Program("b", installation)
            try Program.connect(a, b)
            let inline = IBV_SEND_INLINE.rawValue
            let five = (0..<5).map { a.element($0 * 8, 8) }
            #expect(a.post(IBV_WR_SEND, five) == (EINVAL, true))
            #expect(a.postReceive(five) == (EINVAL, true))
            #expect(a.post(IBV_WR_SEND, [a.element(0, 65)], flags: inline) == (EINVAL, true))
            #expect(a.post(IBV_WR_SEND, [a.element(0, 60), a.element(0, .max)], flags: inline) == (EINVAL, true))
            #expect(a.post(IBV_WR_RDMA_READ, [a.element(0, 8)], flags: inline) == (EINVAL, true))
            #expect(a.post(IBV_WR_BIND_MW, []) == (EINVAL, true))
            #expect(a.post(IBV_WR_SEND_WITH_INV, []) == (EINVAL, true))
            #expect(a.post(IBV_WR_DRIVER1, []) == (EINVAL, true))
            #expect(a.post(ibv_wr_opcode(rawValue: .max), []) == (EINVAL, true))
            #expect(a.post(IBV_WR_SEND, []) { $0.num_sge = -1 } == (EINVAL, true))
            let withoutList = a.post(IBV_WR_SEND, []) { request in
                request.num_sge = 1
                request.sg_list = nil
            }
            #expect(withoutList == (EINVAL, true))
            a.close()
            b.close()
        }

        @Test func aFullQueueIsToldAtTheFirstRequestThatDoesNotFit() throws {
            let installation = try Installation()
            let a = try Program("a", installation)
            try a.initialize()
            var attributes = ibv_qp_attr()
            var initial = ibv_qp_init_attr()
            #expect(a.library.query(a.queuePair, &attributes, 0, &initial) == 0)
            let capacity = Int(initial.cap.max_recv_wr)
            #expect(capacity >= 8)
            var requests = [ibv_recv_wr](repeating: ibv_recv_wr(), count: capacity + 2)
            let failed: Int? = requests.withUnsafeMutableBufferPointer { buffer in
                guard let base = buffer.baseAddress else { return nil }
                for index in 0..<(capacity + 1) { buffer[index].next = base + index + 1 }
                var bad: UnsafeMutablePointer<ibv_recv_wr>?
                return ibv_post_recv(a.queuePair, base, &bad) == ENOMEM ? bad.map { $0 - base } : nil
            }
            #expect(failed == capacity)
            a.close()
        }
    }
}

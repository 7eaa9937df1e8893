import CIBVerbsObjects
import Glibc
import Testing

extension WithDevice {
    @Suite struct TransferTests {
        @Test func sendWithImmediateArrives() throws {
            let installation = try Installation()
            let a = try Program("a", installation)
            let b = try Program("b", installation)
            try Program.connect(a, b)
            memset(a.memory, 0x5a, 300)
            #expect(b.postReceive([b.element(0, 100), b.element(1000, 4096)], identifier: 77).result == 0)
            let posted = a.post(IBV_WR_SEND_WITH_IMM, [a.element(0, 300)], identifier: 5) { $0.imm_data = 0x0403_0201 }
            #expect(posted.result == 0)
            let sent = try a.completion()
            #expect(sent.status == IBV_WC_SUCCESS)
            #expect(sent.wr_id == 5)
            #expect(sent.opcode == IBV_WC_SEND)
            #expect(sent.qp_num == a.queuePair.pointee.qp_num)
            let received = try b.completion()
            #expect(received.status == IBV_WC_SUCCESS)
            #expect(received.wr_id == 77)
            #expect(received.opcode == IBV_WC_RECV)
            #expect(received.byte_len == 300)
            #expect(received.wc_flags & IBV_WC_WITH_IMM.rawValue != 0)
            #expect(received.imm_data == 0x0403_0201)
            #expect(memcmp(b.memory, a.memory, 100) == 0)
            #expect(memcmp(b.memory + 1000, a.memory, 200) == 0)
            a.close()
            b.close()
        }

        @Test func oneSidedOperations() throws {
            let installation = try Installation()
            let a = try Program("a", installation)
            let b = try Program("b", installation)
            try Program.connect(a, b)
            memset(a.memory, 0x11, 64)
            let inline = IBV_SEND_SIGNALED.rawValue | IBV_SEND_INLINE.rawValue
            #expect(
                a.post(IBV_WR_RDMA_WRITE, [a.element(0, 64)], flags: inline, prepare: Program.remote(b, 512)).result
                    == 0)
            #expect(try a.completion().opcode == IBV_WC_RDMA_WRITE)
            #expect(memcmp(b.memory + 512, a.memory, 64) == 0)
            b.memory.storeBytes(of: 40, toByteOffset: 1024, as: UInt64.self)
            #expect(
                a.post(IBV_WR_ATOMIC_FETCH_AND_ADD, [a.element(2048, 8)]) { request in
                    request.wr.atomic.remote_addr = UInt64(UInt(bitPattern: b.memory + 1024))
                    request.wr.atomic.rkey = b.region.pointee.rkey
                    request.wr.atomic.compare_add = 2
                }.result == 0)
            #expect(try a.completion().opcode == IBV_WC_FETCH_ADD)
            #expect(a.memory.load(fromByteOffset: 2048, as: UInt64.self) == 40)
            #expect(a.post(IBV_WR_RDMA_READ, [a.element(4096, 8)], prepare: Program.remote(b, 1024)).result == 0)
            #expect(try a.completion().opcode == IBV_WC_RDMA_READ)
            #expect(a.memory.load(fromByteOffset: 4096, as: UInt64.self) == 42)
            a.close()
            b.close()
        }

        @Test func extendedPostingIsOneBatch() throws {
            let installation = try Installation()
            let a = try Program("a", installation)
            let b = try Program("b", installation)
            // The plain queue pair of the program gives way to an extended one.
            var attributes = ibv_qp_init_attr_ex()
            attributes.send_cq = a.queue
            attributes.recv_cq = a.queue
            attributes.cap = Program.capabilities
            attributes.qp_type = IBV_QPT_RC
            attributes.pd = a.domain
            attributes.comp_mask = IBV_QP_INIT_ATTR_PD.rawValue | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS.rawValue
            attributes.send_ops_flags = UInt64(IBV_QP_EX_WITH_SEND_WITH_INV.rawValue)
            let create = try #require(a.operations.create_qp_ex)
            errno = 0
            #expect(create(a.context, &attributes) == nil)
            #expect(errno == EOPNOTSUPP)
            attributes.send_ops_flags = UInt64(IBV_QP_EX_WITH_RDMA_WRITE.rawValue)
            let queuePair = try #require(create(a.context, &attributes))
            typealias ToExtended =
                @convention(c) (UnsafeMutablePointer<ibv_qp>?) -> UnsafeMutablePointer<ibv_qp_ex>?
            let toExtended = try a.library.function("ibv_qp_to_qp_ex", as: ToExtended.self)
            #expect(toExtended(a.queuePair) == nil)
            let extended = try #require(toExtended(queuePair))
            ibv_wr_start(extended)
            #expect(ibv_wr_complete(extended) == EINVAL)  // RESET
            ibv_wr_start(extended)
            ibv_wr_abort(extended)
            #expect(a.library.destroyQueuePair(queuePair) == 0)
            a.close()
            b.close()
        }

        @Test func extendedQueueHasTheSameCompletions() throws {
            let installation = try Installation()
            let a = try Program("a", installation)
            let b = try Program("b", installation)
            var attributes = ibv_cq_init_attr_ex()
            attributes.cqe = 32
            attributes.wc_flags =
                UInt64(IBV_WC_STANDARD_FLAGS) | UInt64(IBV_WC_EX_WITH_COMPLETION_TIMESTAMP.rawValue)
            let extended = try #require(ibv_create_cq_ex(a.context, &attributes))
            let queue = try #require(ibv_cq_ex_to_cq(extended))
            var initial = ibv_qp_init_attr()
            initial.send_cq = queue
            initial.recv_cq = queue
            initial.cap = Program.capabilities
            initial.qp_type = IBV_QPT_RC
            let queuePair = try #require(a.library.createQueuePair(a.domain, &initial))
            var nothing = ibv_poll_cq_attr(comp_mask: 0)
            #expect(ibv_start_poll(extended, &nothing) == ENOENT)
            // Posted receives of a queue pair in ERR are flushed, without a peer.
            var error = ibv_qp_attr()
            error.qp_state = IBV_QPS_INIT
            error.port_num = 1
            let toInit =
                IBV_QP_STATE.rawValue | IBV_QP_PKEY_INDEX.rawValue | IBV_QP_PORT.rawValue
                | IBV_QP_ACCESS_FLAGS.rawValue
            #expect(a.library.modify(queuePair, &error, CInt(toInit)) == 0)
            var bad: UnsafeMutablePointer<ibv_recv_wr>?
            for identifier in UInt64(1)...4 {
                var request = ibv_recv_wr(wr_id: identifier, next: nil, sg_list: nil, num_sge: 0)
                #expect(ibv_post_recv(queuePair, &request, &bad) == 0)
            }
            error.qp_state = IBV_QPS_ERR
            #expect(a.library.modify(queuePair, &error, CInt(IBV_QP_STATE.rawValue)) == 0)
            try Installation.eventually("flushed") { ibv_start_poll(extended, &nothing) == 0 }
            #expect(extended.pointee.wr_id == 1)
            #expect(extended.pointee.status == IBV_WC_WR_FLUSH_ERR)
            #expect(ibv_wc_read_qp_num(extended) == queuePair.pointee.qp_num)
            #expect(ibv_wc_read_completion_ts(extended) > 0)
            ibv_end_poll(extended)
            // What the extended poll left over goes to the plain one.
            var left: [UInt64] = []
            try Installation.eventually("the others") {
                var completion = ibv_wc()
                while ibv_poll_cq(queue, 1, &completion) == 1 { left.append(completion.wr_id) }
                return left.count == 3
            }
            #expect(left == [2, 3, 4])
            #expect(a.library.destroyQueuePair(queuePair) == 0)
            #expect(a.library.destroyQueue(queue) == 0)
            a.close()
            b.close()
        }
    }
}

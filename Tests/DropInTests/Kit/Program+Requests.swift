import CIBVerbsObjects
import Glibc
import Testing

extension Program {
    /// Posts one send request; the result is that of ibv_post_send, and whether `bad_wr` names the request.
    func post(
        _ opcode: ibv_wr_opcode, _ elements: [ibv_sge], flags: UInt32 = IBV_SEND_SIGNALED.rawValue,
        identifier: UInt64 = 1, prepare: (inout ibv_send_wr) -> Void = { _ in }
    ) -> (result: CInt, isNamed: Bool) {
        var elements = elements
        return elements.withUnsafeMutableBufferPointer { buffer in
            var request = ibv_send_wr()
            request.wr_id = identifier
            request.opcode = opcode
            request.send_flags = flags
            request.sg_list = buffer.baseAddress
            request.num_sge = CInt(buffer.count)
            prepare(&request)
            var bad: UnsafeMutablePointer<ibv_send_wr>?
            return withUnsafeMutablePointer(to: &request) { pointer in
                (ibv_post_send(queuePair, pointer, &bad), bad == pointer)
            }
        }
    }

    /// Posts one receive request.
    func postReceive(_ elements: [ibv_sge], identifier: UInt64 = 2) -> (result: CInt, isNamed: Bool) {
        var elements = elements
        return elements.withUnsafeMutableBufferPointer { buffer in
            var request = ibv_recv_wr(
                wr_id: identifier, next: nil, sg_list: buffer.baseAddress, num_sge: CInt(buffer.count))
            var bad: UnsafeMutablePointer<ibv_recv_wr>?
            return withUnsafeMutablePointer(to: &request) { pointer in
                (ibv_post_recv(queuePair, pointer, &bad), bad == pointer)
            }
        }
    }

    /// Polls until there is a completion.
    func completion() throws -> ibv_wc {
        var completion = ibv_wc()
        try Installation.eventually("a completion arrives") {
            let count = ibv_poll_cq(queue, 1, &completion)
            try #require(count >= 0)
            return count == 1
        }
        return completion
    }

    /// The operands of a one-sided operation.
    static func remote(_ target: Program, _ offset: Int = 0) -> (inout ibv_send_wr) -> Void {
        { request in
            request.wr.rdma.remote_addr = UInt64(UInt(bitPattern: target.memory + offset))
            request.wr.rdma.rkey = target.region.pointee.rkey
        }
    }
}

import CIBVerbsObjects
import CVRDMAABI
import Glibc
import Provider

// The ibv_wr_* interface (ibv_wr_post(3)): a batch between start and complete is written straight into the send queue
// and shown to the endpoint at once, or not at all. Errors are kept until the batch is complete.

private typealias ExtendedQueuePair = UnsafeMutablePointer<ibv_qp_ex>

extension ExtendedQueuePair {
    @inline(__always)
    fileprivate var own: UnsafeMutablePointer<drop_in_qp> {
        UnsafeMutableRawPointer(self).assumingMemoryBound(to: drop_in_qp.self)
    }

    /// Begins a request of the batch; nil when the batch has failed.
    @inline(__always)
    fileprivate func begin(_ opcode: vrdma_wr_opcode) -> UnsafeMutablePointer<vrdma_send_wqe>? {
        let own = own
        own.pointee.batch_entry = nil
        guard own.pointee.batch_error == 0 else { return nil }
        guard let entry = own.queuePair?.reserveSend(own.pointee.batch_count) else {
            own.pointee.batch_error = ENOMEM
            return nil
        }
        let wqe = entry.assumingMemoryBound(to: vrdma_send_wqe.self)
        wqe.pointee.wr_id = pointee.wr_id
        wqe.pointee.opcode = UInt8(truncatingIfNeeded: opcode.rawValue)
        wqe.pointee.flags = UInt8(truncatingIfNeeded: pointee.wr_flags & sendFlagMask)
        wqe.pointee.sge_count = 0
        wqe.pointee.inline_bytes = 0
        own.pointee.batch_entry = entry
        own.pointee.batch_count &+= 1
        return wqe
    }

    /// Begins a request that names remote memory.
    @inline(__always)
    @discardableResult
    fileprivate func begin(
        _ opcode: vrdma_wr_opcode, rkey: UInt32, remoteAddress: UInt64
    ) -> UnsafeMutablePointer<vrdma_send_wqe>? {
        let wqe = begin(opcode)
        wqe?.pointee.remote_address = remoteAddress
        wqe?.pointee.rkey = rkey
        return wqe
    }

    @inline(__always)
    fileprivate func fail(_ error: CInt) {
        if own.pointee.batch_error == 0 { own.pointee.batch_error = error }
    }

    /// Where inline data of the current request goes, when it may have any.
    fileprivate var inlineWQE: UnsafeMutablePointer<vrdma_send_wqe>? {
        guard let wqe = own.pointee.batch_entry?.assumingMemoryBound(to: vrdma_send_wqe.self),
            UInt32(wqe.pointee.opcode) < VRDMA_WR_RDMA_READ.rawValue
        else {
            fail(EINVAL)
            return nil
        }
        return wqe
    }
}

extension ibv_qp_ex {
    /// Sets the operations of ibv_wr_post(3).
    mutating func setOperations() {
        wr_start = { queuePair in
            guard let own = queuePair?.own, let target = own.queuePair else { return }
            target.beginSend()
            own.pointee.batch_entry = nil
            own.pointee.batch_count = 0
            own.pointee.batch_error = target.pointee.acceptsSendRequests ? 0 : EINVAL
        }
        wr_complete = { queuePair in
            guard let own = queuePair?.own, let target = own.queuePair else { return EINVAL }
            let error = own.pointee.batch_error
            target.endSend(error == 0 ? own.pointee.batch_count : 0)
            return error
        }
        wr_abort = { queuePair in queuePair?.own.queuePair?.endSend(0) }
        setRequestOperations()
        setPayloadOperations()
        setMissingOperations()
    }

    private mutating func setRequestOperations() {
        wr_rdma_write = { $0?.begin(VRDMA_WR_RDMA_WRITE, rkey: $1, remoteAddress: $2) }
        wr_rdma_write_imm = { queuePair, rkey, remoteAddress, immediate in
            let wqe = queuePair?.begin(VRDMA_WR_RDMA_WRITE_WITH_IMM, rkey: rkey, remoteAddress: remoteAddress)
            wqe?.pointee.immediate = immediate
        }
        wr_rdma_read = { $0?.begin(VRDMA_WR_RDMA_READ, rkey: $1, remoteAddress: $2) }
        wr_send = { _ = $0?.begin(VRDMA_WR_SEND) }
        wr_send_imm = { $0?.begin(VRDMA_WR_SEND_WITH_IMM)?.pointee.immediate = $1 }
        wr_atomic_cmp_swp = { queuePair, rkey, remoteAddress, compare, swap in
            let wqe = queuePair?.begin(VRDMA_WR_ATOMIC_CMP_AND_SWP, rkey: rkey, remoteAddress: remoteAddress)
            wqe?.pointee.extension.atomic.compare_add = compare
            wqe?.pointee.extension.atomic.swap = swap
        }
        wr_atomic_fetch_add = { queuePair, rkey, remoteAddress, addend in
            let wqe = queuePair?.begin(VRDMA_WR_ATOMIC_FETCH_AND_ADD, rkey: rkey, remoteAddress: remoteAddress)
            wqe?.pointee.extension.atomic.compare_add = addend
        }
    }

    private mutating func setPayloadOperations() {
        wr_set_sge = { queuePair, lkey, address, length in
            guard let own = queuePair?.own, let entry = own.pointee.batch_entry else { return }
            guard own.pointee.cap.max_send_sge > 0 else {
                queuePair?.fail(EINVAL)
                return
            }
            entry.assumingMemoryBound(to: vrdma_send_wqe.self).pointee.sge_count = 1
            let element = (entry + sendPayloadOffset).assumingMemoryBound(to: vrdma_sge.self)
            element.pointee.address = address
            element.pointee.length = length
            element.pointee.lkey = lkey
        }
        wr_set_sge_list = { queuePair, count, elements in
            guard let own = queuePair?.own, let entry = own.pointee.batch_entry else { return }
            guard count <= Int(own.pointee.cap.max_send_sge),
                copyElements(entry + sendPayloadOffset, elements, count) == 0
            else {
                queuePair?.fail(EINVAL)
                return
            }
            entry.assumingMemoryBound(to: vrdma_send_wqe.self).pointee.sge_count = UInt16(truncatingIfNeeded: count)
        }
        wr_set_inline_data = { queuePair, address, length in
            var buffer = ibv_data_buf(addr: address, length: length)
            setInlineData(queuePair, 1, &buffer)
        }
        wr_set_inline_data_list = { setInlineData($0, $1, $2) }
    }

    /// Operations that a reliable connection of this device does not have.
    private mutating func setMissingOperations() {
        wr_bind_mw = { queuePair, _, _, _ in queuePair?.fail(EOPNOTSUPP) }
        wr_local_inv = { queuePair, _ in queuePair?.fail(EOPNOTSUPP) }
        wr_send_inv = { queuePair, _ in queuePair?.fail(EOPNOTSUPP) }
        wr_send_tso = { queuePair, _, _, _ in queuePair?.fail(EOPNOTSUPP) }
        wr_atomic_write = { queuePair, _, _, _ in queuePair?.fail(EOPNOTSUPP) }
        wr_set_ud_addr = { queuePair, _, _, _ in queuePair?.fail(EOPNOTSUPP) }
        wr_set_xrc_srqn = { queuePair, _ in queuePair?.fail(EOPNOTSUPP) }
    }
}

private func setInlineData(_ queuePair: ExtendedQueuePair?, _ count: Int, _ buffers: UnsafePointer<ibv_data_buf>?) {
    guard let queuePair, queuePair.own.pointee.batch_error == 0, let wqe = queuePair.inlineWQE else { return }
    let payload = UnsafeMutableRawPointer(wqe) + sendPayloadOffset
    let capacity = Int(queuePair.own.pointee.cap.max_inline_data)
    var total = 0
    if count > 0 {
        guard let buffers else { return queuePair.fail(EINVAL) }
        for index in 0..<count {
            let bytes = buffers[index].length
            if bytes == 0 { continue }
            guard bytes <= capacity &- total, let source = buffers[index].addr else { return queuePair.fail(EINVAL) }
            memcpy(payload + total, source, bytes)
            total &+= bytes
        }
    }
    wqe.pointee.sge_count = 0
    wqe.pointee.flags |= UInt8(VRDMA_SEND_INLINE.rawValue)
    wqe.pointee.inline_bytes = UInt32(truncatingIfNeeded: total)
}

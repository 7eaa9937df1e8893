import CIBVerbsObjects
import CLinux
import CRDMAHeaders
import CVRDMAABI
import Glibc
import Provider
import Verbs

/// What a completion can tell here; a timestamp, a VLAN or a flow tag it cannot.
private let offeredCompletionFields = UInt64(IBV_WC_STANDARD_FLAGS)

/// Creates a completion queue that is polled field by field (ibv_create_cq_ex(3)).
@c func createExtendedCompletionQueue(
    _ context: UnsafeMutablePointer<ibv_context>?, _ attributes: UnsafeMutablePointer<ibv_cq_init_attr_ex>?
) -> UnsafeMutablePointer<ibv_cq_ex>? {
    guard let context, let attributes else { return failing(.invalidArgument, with: nil) }
    let wanted = attributes.pointee
    let offeredFlags = IBV_CREATE_CQ_ATTR_SINGLE_THREADED.rawValue
    guard wanted.wc_flags & ~offeredCompletionFields == 0,
        wanted.comp_mask & ~IBV_CQ_INIT_ATTR_MASK_FLAGS.rawValue == 0,
        wanted.comp_mask & IBV_CQ_INIT_ATTR_MASK_FLAGS.rawValue == 0 || wanted.flags & ~offeredFlags == 0
    else { return failing(.notSupported, with: nil) }
    do {
        let own = try makeCompletionQueue(
            context, entries: wanted.cqe, userContext: wanted.cq_context, channel: wanted.channel,
            vector: wanted.comp_vector)
        own.pointee.ex.setOperations()
        return UnsafeMutableRawPointer(own).assumingMemoryBound(to: ibv_cq_ex.self)
    } catch {
        return failing(error, with: nil)
    }
}

extension UnsafeMutablePointer<ibv_cq_ex> {
    @inline(__always)
    fileprivate var own: UnsafeMutablePointer<drop_in_cq> {
        UnsafeMutableRawPointer(self).assumingMemoryBound(to: drop_in_cq.self)
    }

    /// Takes the next completion into the object. `ENOENT` when there is none.
    @inline(__always)
    fileprivate func takeNext() -> CInt {
        let own = own
        guard let queue = own.queue else { return EINVAL }
        let count = queue.poll(1) { _, completion, _ in
            copyCompletion(completion, current)
            own.pointee.current_timestamp_nanoseconds = completion.pointee.timestamp_nanoseconds
        }
        guard count == 1 else { return ENOENT }
        pointee.wr_id = current.pointee.wr_id
        pointee.status = current.pointee.status
        return 0
    }

    @inline(__always)
    fileprivate var current: UnsafeMutablePointer<ibv_wc> {
        let offset = MemoryLayout<drop_in_cq>.offset(of: \.current) ?? 0
        return UnsafeMutableRawPointer(self).advanced(by: offset).assumingMemoryBound(to: ibv_wc.self)
    }
}

extension ibv_cq_ex {
    /// Sets the operations of ibv_create_cq_ex(3). From a successful start to the end the caller holds the queue's
    /// lock, because the current completion is kept in the object.
    fileprivate mutating func setOperations() {
        start_poll = { queue, attributes in
            guard let queue, attributes == nil || attributes?.pointee.comp_mask == 0 else { return EINVAL }
            clinux_spin_lock(&queue.own.pointee.poll_lock)
            let result = queue.takeNext()
            if result != 0 { clinux_spin_unlock(&queue.own.pointee.poll_lock) }
            return result
        }
        next_poll = { $0?.takeNext() ?? EINVAL }
        end_poll = { queue in
            guard let queue else { return }
            clinux_spin_unlock(&queue.own.pointee.poll_lock)
        }
        read_opcode = { $0?.current.pointee.opcode ?? IBV_WC_SEND }
        read_vendor_err = { $0?.current.pointee.vendor_err ?? 0 }
        read_byte_len = { $0?.current.pointee.byte_len ?? 0 }
        read_imm_data = { $0?.current.pointee.imm_data ?? 0 }
        read_qp_num = { $0?.current.pointee.qp_num ?? 0 }
        read_src_qp = { $0?.current.pointee.src_qp ?? 0 }
        read_wc_flags = { $0?.current.pointee.wc_flags ?? 0 }
        read_slid = { UInt32($0?.current.pointee.slid ?? 0) }
        read_sl = { $0?.current.pointee.sl ?? 0 }
        read_dlid_path_bits = { $0?.current.pointee.dlid_path_bits ?? 0 }
        read_completion_ts = { $0?.own.pointee.current_timestamp_nanoseconds ?? 0 }
    }
}

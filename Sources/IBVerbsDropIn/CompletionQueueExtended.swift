import CIBVerbsObjects
import CLinux
import CVRDMAABI
import Glibc
import Provider
import Verbs

/// What a completion can tell here; a VLAN or a flow tag it cannot.
private let offeredCompletionFields =
    UInt64(IBV_WC_STANDARD_FLAGS) | UInt64(IBV_WC_EX_WITH_COMPLETION_TIMESTAMP.rawValue)

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

    /// The completion that was given out last.
    @inline(__always)
    fileprivate var current: UnsafeMutablePointer<drop_in_completion> {
        drop_in_held(own) + Int(truncatingIfNeeded: own.pointee.held_next &- 1)
    }

    /// Makes the next held completion the current one.
    @inline(__always)
    fileprivate func giveNext() {
        own.pointee.held_next &+= 1
        pointee.wr_id = current.pointee.completion.wr_id
        pointee.status = current.pointee.completion.status
    }

    fileprivate func start() -> CInt {
        let own = own
        clinux_spin_lock(&own.pointee.poll_lock)
        if own.pointee.held_next == own.pointee.held_count, own.refill() == 0 {
            clinux_spin_unlock(&own.pointee.poll_lock)
            return ENOENT
        }
        giveNext()
        return 0
    }

    /// Ends with what was there when polling started: a completion that arrives later has an event of its own, which a
    /// program that armed the queue before it started is going to take.
    fileprivate func next() -> CInt {
        let own = own
        if own.pointee.held_next == own.pointee.held_count {
            guard own.pointee.held_count == UInt32(DROP_IN_HELD_COMPLETIONS), own.refill() > 0 else { return ENOENT }
        }
        giveNext()
        return 0
    }
}

extension UnsafeMutablePointer<drop_in_cq> {
    /// Takes completions when none is held. Returns how many.
    fileprivate func refill() -> Int {
        guard let queue else { return 0 }
        let held = drop_in_held(self)
        let count = queue.poll(Int(DROP_IN_HELD_COMPLETIONS)) { index, completion, _ in
            copyCompletion(completion, &held[index].completion)
            held[index].timestamp_nanoseconds = completion.pointee.timestamp_nanoseconds
        }
        // The current completion stays readable until the end, also when there is no further one.
        if count > 0 {
            pointee.held_next = 0
            pointee.held_count = UInt32(truncatingIfNeeded: count)
        }
        return count
    }

    /// Gives held completions to ibv_poll_cq.
    @inline(never)
    func takeHeld(_ maximum: CInt, _ completions: UnsafeMutablePointer<ibv_wc>) -> CInt {
        clinux_spin_lock(&pointee.poll_lock)
        defer { clinux_spin_unlock(&pointee.poll_lock) }
        let count = min(max(maximum, 0), CInt(bitPattern: pointee.held_count &- pointee.held_next))
        let held = drop_in_held(self)
        for index in 0..<Int(count) {
            completions[index] = held[Int(pointee.held_next)].completion
            pointee.held_next &+= 1
        }
        return count
    }

    /// Forgets the held completions of a queue pair that was reset or destroyed.
    func forgetHeld(ofQueuePair number: UInt32) {
        clinux_spin_lock(&pointee.poll_lock)
        defer { clinux_spin_unlock(&pointee.poll_lock) }
        let held = drop_in_held(self)
        var kept = pointee.held_next
        for index in pointee.held_next..<pointee.held_count where held[Int(index)].completion.qp_num != number {
            held[Int(kept)] = held[Int(index)]
            kept &+= 1
        }
        pointee.held_count = kept
    }
}

extension ibv_cq_ex {
    /// Sets the operations of ibv_create_cq_ex(3). From a successful start to the end the caller holds the queue's
    /// lock, because the current completion is kept in the object.
    fileprivate mutating func setOperations() {
        start_poll = { queue, attributes in
            guard let queue, attributes == nil || attributes?.pointee.comp_mask == 0 else { return EINVAL }
            return queue.start()
        }
        next_poll = { $0?.next() ?? EINVAL }
        end_poll = { queue in
            guard let queue else { return }
            clinux_spin_unlock(&queue.own.pointee.poll_lock)
        }
        read_opcode = { $0?.current.pointee.completion.opcode ?? IBV_WC_SEND }
        read_vendor_err = { $0?.current.pointee.completion.vendor_err ?? 0 }
        read_byte_len = { $0?.current.pointee.completion.byte_len ?? 0 }
        read_imm_data = { $0?.current.pointee.completion.imm_data ?? 0 }
        read_qp_num = { $0?.current.pointee.completion.qp_num ?? 0 }
        read_src_qp = { $0?.current.pointee.completion.src_qp ?? 0 }
        read_wc_flags = { $0?.current.pointee.completion.wc_flags ?? 0 }
        read_slid = { UInt32($0?.current.pointee.completion.slid ?? 0) }
        read_sl = { $0?.current.pointee.completion.sl ?? 0 }
        read_dlid_path_bits = { $0?.current.pointee.completion.dlid_path_bits ?? 0 }
        read_completion_ts = { $0?.current.pointee.timestamp_nanoseconds ?? 0 }
    }
}

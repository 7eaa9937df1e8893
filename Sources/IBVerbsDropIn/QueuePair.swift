// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions bear the names of the C interface.

import CIBVerbsObjects
import Glibc
import Provider
import Verbs

/// Creates a queue pair (ibv_create_qp(3)).
@c @implementation public func ibv_create_qp(
    _ pd: UnsafeMutablePointer<ibv_pd>?, _ qp_init_attr: UnsafeMutablePointer<ibv_qp_init_attr>?
) -> UnsafeMutablePointer<ibv_qp>! {
    guard let pd, let qp_init_attr else { return failing(.invalidArgument, with: nil) }
    do {
        let own = try makeQueuePair(pd, &qp_init_attr.pointee)
        return UnsafeMutableRawPointer(own).assumingMemoryBound(to: ibv_qp.self)
    } catch {
        return failing(error, with: nil)
    }
}

/// Makes a queue pair with its object, and writes back what it can hold; throws what ibv_create_qp(3) reports.
func makeQueuePair(
    _ domain: UnsafeMutablePointer<ibv_pd>, _ attributes: inout ibv_qp_init_attr
) throws(Errno) -> UnsafeMutablePointer<drop_in_qp> {
    guard let context = domain.pointee.context, let opened = provider(of: context) else { throw .inputOutput }
    guard attributes.qp_type == IBV_QPT_RC, attributes.srq == nil else { throw .notSupported }
    guard let sendQueue = attributes.send_cq, let receiveQueue = attributes.recv_cq,
        sendQueue.pointee.context == context, receiveQueue.pointee.context == context,
        let sendProvider = sendQueue.own.queue, let receiveProvider = receiveQueue.own.queue
    else { throw .invalidArgument }
    guard let memory = calloc(1, MemoryLayout<drop_in_qp>.size) else { throw .outOfMemory }
    let own = memory.bindMemory(to: drop_in_qp.self, capacity: 1)
    do throws(Errno) {
        let queuePair = try opened.createQueuePair(
            QueuePairCapabilities(attributes.cap), protectionDomain: domain.pointee.handle,
            sendCompletionQueue: sendProvider, receiveCompletionQueue: receiveProvider,
            signalAll: attributes.sq_sig_all != 0, type: attributes.qp_type.rawValue)
        attributes.cap = ibv_qp_cap(queuePair.pointee.capabilities)
        own.initialize(queuePair, domain, attributes)
        queuePair.pointee.userTag = UInt(bitPattern: own)
        return own
    } catch {
        free(memory)
        throw error
    }
}

/// Destroys a queue pair, once all its events are acknowledged (ibv_create_qp(3)).
@c @implementation public func ibv_destroy_qp(_ qp: UnsafeMutablePointer<ibv_qp>?) -> CInt {
    guard let qp, let context = qp.pointee.context else { return failing(.invalidArgument) }
    guard let opened = provider(of: context) else { return failing(.inputOutput) }
    guard let queuePair = qp.own.queuePair else { return failing(.invalidArgument) }
    do {
        try opened.destroyQueuePair(queuePair)
    } catch {
        return failing(error)
    }
    qp.forgetHeldCompletions()
    let own = qp.own
    pthread_mutex_lock(&qp.pointee.mutex)
    while qp.pointee.events_completed != own.pointee.async_events_reported {
        pthread_cond_wait(&qp.pointee.cond, &qp.pointee.mutex)
    }
    pthread_mutex_unlock(&qp.pointee.mutex)
    pthread_cond_destroy(&qp.pointee.cond)
    pthread_mutex_destroy(&qp.pointee.mutex)
    free(own)
    return 0
}

/// Changes attributes, as a rule with a transition of state (ibv_modify_qp(3)).
@c @implementation public func ibv_modify_qp(
    _ qp: UnsafeMutablePointer<ibv_qp>?, _ attr: UnsafeMutablePointer<ibv_qp_attr>?, _ attr_mask: CInt
) -> CInt {
    guard let qp, let attr, let context = qp.pointee.context else { return failing(.invalidArgument) }
    guard let opened = provider(of: context) else { return failing(.inputOutput) }
    guard let queuePair = qp.own.queuePair else { return failing(.invalidArgument) }
    do {
        let mask = UInt32(bitPattern: attr_mask)
        try opened.modifyQueuePair(queuePair, attr.pointee.providerAttributes(mask: mask))
        guard mask & IBV_QP_STATE.rawValue != 0 else { return 0 }
        qp.pointee.state = attr.pointee.qp_state
        if attr.pointee.qp_state == IBV_QPS_RESET { qp.forgetHeldCompletions() }
        return 0
    } catch {
        return failing(error)
    }
}

/// Tells all attributes, whatever the mask asks for (ibv_query_qp(3)).
@c @implementation public func ibv_query_qp(
    _ qp: UnsafeMutablePointer<ibv_qp>?, _ attr: UnsafeMutablePointer<ibv_qp_attr>?, _ attr_mask: CInt,
    _ init_attr: UnsafeMutablePointer<ibv_qp_init_attr>?
) -> CInt {
    guard let qp, let attr, let context = qp.pointee.context else { return failing(.invalidArgument) }
    guard let opened = provider(of: context) else { return failing(.inputOutput) }
    guard let queuePair = qp.own.queuePair else { return failing(.invalidArgument) }
    do {
        attr.pointee = ibv_qp_attr(try opened.queryQueuePair(queuePair), qp.own.pointee.cap)
        qp.pointee.state = attr.pointee.qp_state
        init_attr?.pointee = qp.initialAttributes
        return 0
    } catch {
        return failing(error)
    }
}

/// Whether data of an operation arrives in the order of its addresses; nobody promises that
/// (ibv_query_qp_data_in_order(3)).
@c @implementation public func ibv_query_qp_data_in_order(
    _ qp: UnsafeMutablePointer<ibv_qp>?, _ op: ibv_wr_opcode, _ flags: UInt32
) -> CInt { 0 }

extension UnsafeMutablePointer<drop_in_qp> {
    fileprivate func initialize(
        _ queuePair: UnsafeMutablePointer<ProviderQueuePair>, _ domain: UnsafeMutablePointer<ibv_pd>,
        _ attributes: ibv_qp_init_attr
    ) {
        pointee.provider = UnsafeMutableRawPointer(queuePair)
        pointee.cap = attributes.cap
        pointee.signal_all = attributes.sq_sig_all == 0 ? 0 : 1
        pointee.ex.qp_base.context = domain.pointee.context
        pointee.ex.qp_base.qp_context = attributes.qp_context
        pointee.ex.qp_base.pd = domain
        pointee.ex.qp_base.send_cq = attributes.send_cq
        pointee.ex.qp_base.recv_cq = attributes.recv_cq
        pointee.ex.qp_base.handle = queuePair.pointee.number
        pointee.ex.qp_base.qp_num = queuePair.pointee.number
        pointee.ex.qp_base.state = IBV_QPS_RESET
        pointee.ex.qp_base.qp_type = attributes.qp_type
        pthread_mutex_init(&pointee.ex.qp_base.mutex, nil)
        pthread_cond_init(&pointee.ex.qp_base.cond, nil)
    }
}

extension UnsafeMutablePointer<ibv_qp> {
    fileprivate func forgetHeldCompletions() {
        pointee.send_cq?.own.forgetHeld(ofQueuePair: pointee.qp_num)
        pointee.recv_cq?.own.forgetHeld(ofQueuePair: pointee.qp_num)
    }

    fileprivate var initialAttributes: ibv_qp_init_attr {
        ibv_qp_init_attr(
            qp_context: pointee.qp_context, send_cq: pointee.send_cq, recv_cq: pointee.recv_cq, srq: nil,
            cap: own.pointee.cap, qp_type: pointee.qp_type, sq_sig_all: CInt(bitPattern: own.pointee.signal_all))
    }
}

// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions bear the names of the C interface.

import CIBVerbsObjects
import CVRDMAABI
import Glibc
import Provider
import Verbs

/// Takes the next asynchronous event, and waits for it unless the descriptor is non-blocking (ibv_get_async_event(3)).
@c @implementation public func ibv_get_async_event(
    _ context: UnsafeMutablePointer<ibv_context>?, _ event: UnsafeMutablePointer<ibv_async_event>?
) -> CInt {
    guard let context, let event else { return failing(.invalidArgument, with: -1) }
    guard let opened = provider(of: context) else { return failing(.inputOutput, with: -1) }
    do {
        // An event of an object that was destroyed meanwhile is dropped.
        while true {
            let found = try opened.nextAsyncEvent()
            if report(found, of: opened, as: event) { return 0 }
        }
    } catch {
        return failing(error, with: -1)
    }
}

/// Acknowledges an event, for which the destruction of its queue waits (ibv_get_async_event(3)).
@c @implementation public func ibv_ack_async_event(_ event: UnsafeMutablePointer<ibv_async_event>?) {
    guard let event, let type = AsyncEventType(rawValue: event.pointee.event_type.rawValue) else { return }
    if type.concernsQueuePair, let queuePair = event.pointee.element.qp {
        pthread_mutex_lock(&queuePair.pointee.mutex)
        queuePair.pointee.events_completed &+= 1
        pthread_cond_signal(&queuePair.pointee.cond)
        pthread_mutex_unlock(&queuePair.pointee.mutex)
    } else if type == .completionQueueError, let queue = event.pointee.element.cq {
        pthread_mutex_lock(&queue.pointee.mutex)
        queue.pointee.async_events_completed &+= 1
        pthread_cond_signal(&queue.pointee.cond)
        pthread_mutex_unlock(&queue.pointee.mutex)
    }
}

/// Translates an event, and counts it at the queue that it names. False when there is no such queue any more.
private func report(
    _ found: vrdma_async_event, of opened: ProviderContext, as event: UnsafeMutablePointer<ibv_async_event>
) -> Bool {
    guard let type = AsyncEventType(rawValue: found.event_type) else { return false }
    event.pointee.event_type = ibv_event_type(rawValue: found.event_type)
    if type.concernsQueuePair {
        guard let queuePair = opened.queuePair(slot: found.slot, number: found.element),
            let own = UnsafeMutablePointer<drop_in_qp>(bitPattern: queuePair.pointee.userTag)
        else { return false }
        pthread_mutex_lock(&own.pointee.ex.qp_base.mutex)
        own.pointee.async_events_reported &+= 1
        pthread_mutex_unlock(&own.pointee.ex.qp_base.mutex)
        event.pointee.element.qp = UnsafeMutableRawPointer(own).assumingMemoryBound(to: ibv_qp.self)
    } else if type == .completionQueueError {
        guard let queue = opened.completionQueue(slot: found.slot),
            let own = UnsafeMutablePointer<drop_in_cq>(bitPattern: queue.pointee.userTag)
        else { return false }
        pthread_mutex_lock(&own.pointee.ex.mutex)
        own.pointee.async_events_reported &+= 1
        pthread_mutex_unlock(&own.pointee.ex.mutex)
        event.pointee.element.cq = UnsafeMutableRawPointer(own).assumingMemoryBound(to: ibv_cq.self)
    } else {
        event.pointee.element.port_num = CInt(clamping: found.element)
    }
    return true
}

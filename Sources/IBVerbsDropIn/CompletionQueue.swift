// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions bear the names of the C interface.

import CIBVerbsObjects
import Glibc
import Provider
import Verbs

/// Creates a completion queue (ibv_create_cq(3)).
@c @implementation public func ibv_create_cq(
    _ context: UnsafeMutablePointer<ibv_context>?, _ cqe: CInt, _ cq_context: UnsafeMutableRawPointer?,
    _ channel: UnsafeMutablePointer<ibv_comp_channel>?, _ comp_vector: CInt
) -> UnsafeMutablePointer<ibv_cq>! {
    guard let context, let entries = UInt32(exactly: cqe), let vector = UInt32(exactly: comp_vector) else {
        return failing(.invalidArgument, with: nil)
    }
    do {
        let own = try makeCompletionQueue(
            context, entries: entries, userContext: cq_context, channel: channel, vector: vector)
        return UnsafeMutableRawPointer(own).assumingMemoryBound(to: ibv_cq.self)
    } catch {
        return failing(error, with: nil)
    }
}

/// Makes a completion queue with its object; throws what ibv_create_cq(3) reports.
func makeCompletionQueue(
    _ context: UnsafeMutablePointer<ibv_context>, entries: UInt32, userContext: UnsafeMutableRawPointer?,
    channel: UnsafeMutablePointer<ibv_comp_channel>?, vector: UInt32
) throws(Errno) -> UnsafeMutablePointer<drop_in_cq> {
    guard let opened = provider(of: context) else { throw .inputOutput }
    guard entries > 0, vector < UInt32(clamping: context.pointee.num_comp_vectors) else { throw .invalidArgument }
    guard channel == nil || channel?.pointee.context == context else { throw .invalidArgument }
    guard let memory = calloc(1, MemoryLayout<drop_in_cq>.size) else { throw .outOfMemory }
    let own = memory.bindMemory(to: drop_in_cq.self, capacity: 1)
    do throws(Errno) {
        let queue = try opened.createCompletionQueue(
            entries: entries, channel: channel?.providerChannel?.handle ?? 0)
        queue.pointee.userTag = UInt(bitPattern: own)
        own.pointee.provider = UnsafeMutableRawPointer(queue)
        own.pointee.ex.context = context
        own.pointee.ex.channel = channel
        own.pointee.ex.cq_context = userContext
        own.pointee.ex.handle = queue.pointee.handle
        own.pointee.ex.cqe = CInt(clamping: queue.pointee.entryCount)
        pthread_mutex_init(&own.pointee.ex.mutex, nil)
        pthread_cond_init(&own.pointee.ex.cond, nil)
        channel?.changeUsers(by: 1)
        return own
    } catch {
        free(memory)
        throw error
    }
}

/// Destroys a completion queue, once all its events are acknowledged (ibv_create_cq(3)).
@c @implementation public func ibv_destroy_cq(_ cq: UnsafeMutablePointer<ibv_cq>?) -> CInt {
    guard let cq, let context = cq.pointee.context else { return failing(.invalidArgument) }
    guard let opened = provider(of: context) else { return failing(.inputOutput) }
    guard let queue = cq.own.queue else { return failing(.invalidArgument) }
    do {
        try opened.destroyCompletionQueue(queue)
    } catch {
        return failing(error)
    }
    let own = cq.own
    pthread_mutex_lock(&cq.pointee.mutex)
    while cq.pointee.comp_events_completed != own.pointee.comp_events_reported
        || cq.pointee.async_events_completed != own.pointee.async_events_reported
    {
        pthread_cond_wait(&cq.pointee.cond, &cq.pointee.mutex)
    }
    pthread_mutex_unlock(&cq.pointee.mutex)
    cq.pointee.channel?.changeUsers(by: -1)
    pthread_cond_destroy(&cq.pointee.cond)
    pthread_mutex_destroy(&cq.pointee.mutex)
    free(own)
    return 0
}

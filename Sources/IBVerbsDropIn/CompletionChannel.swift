// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions bear the names of the C interface.

import CIBVerbsObjects
import Glibc
import Provider
import Verbs

extension UnsafeMutablePointer<ibv_comp_channel> {
    /// The provider's channel.
    var providerChannel: ProviderCompletionChannel? {
        let own = UnsafeMutableRawPointer(self).assumingMemoryBound(to: drop_in_comp_channel.self)
        guard let opaque = own.pointee.provider else { return nil }
        return Unmanaged<ProviderCompletionChannel>.fromOpaque(opaque).takeUnretainedValue()
    }

    /// Counts a completion queue that uses the channel, or that does so no more.
    func changeUsers(by difference: CInt) {
        guard let context = pointee.context else { return }
        pthread_mutex_lock(&context.pointee.mutex)
        pointee.refcnt &+= difference
        pthread_mutex_unlock(&context.pointee.mutex)
    }
}

/// Creates a channel on which completion events arrive (ibv_create_comp_channel(3)).
@c @implementation public func ibv_create_comp_channel(
    _ context: UnsafeMutablePointer<ibv_context>?
) -> UnsafeMutablePointer<ibv_comp_channel>! {
    guard let context else { return failing(.invalidArgument, with: nil) }
    guard let opened = provider(of: context) else { return failing(.inputOutput, with: nil) }
    guard let memory = calloc(1, MemoryLayout<drop_in_comp_channel>.size) else {
        return failing(.outOfMemory, with: nil)
    }
    do {
        let channel = try opened.createCompletionChannel()
        let made = memory.bindMemory(to: drop_in_comp_channel.self, capacity: 1)
        made.pointee.channel.context = context
        made.pointee.channel.fd = channel.descriptor
        made.pointee.provider = Unmanaged.passRetained(channel).toOpaque()
        return memory.assumingMemoryBound(to: ibv_comp_channel.self)
    } catch {
        free(memory)
        return failing(error, with: nil)
    }
}

/// Destroys a channel that no completion queue uses any more (ibv_create_comp_channel(3)).
@c @implementation public func ibv_destroy_comp_channel(_ channel: UnsafeMutablePointer<ibv_comp_channel>?) -> CInt {
    guard let channel, let context = channel.pointee.context else { return failing(.invalidArgument) }
    guard let opened = provider(of: context) else { return failing(.inputOutput) }
    guard let providerChannel = channel.providerChannel else { return failing(.invalidArgument) }
    pthread_mutex_lock(&context.pointee.mutex)
    let users = channel.pointee.refcnt
    pthread_mutex_unlock(&context.pointee.mutex)
    guard users == 0 else { return failing(.busy) }
    do {
        try opened.destroyCompletionChannel(providerChannel)
        Unmanaged.passUnretained(providerChannel).release()
        free(channel)
        return 0
    } catch {
        return failing(error)
    }
}

/// Takes the next completion event, and waits for it unless the descriptor is non-blocking (ibv_get_cq_event(3)).
@c @implementation public func ibv_get_cq_event(
    _ channel: UnsafeMutablePointer<ibv_comp_channel>?,
    _ cq: UnsafeMutablePointer<UnsafeMutablePointer<ibv_cq>?>?,
    _ cq_context: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> CInt {
    guard let channel, let cq, let context = channel.pointee.context else {
        return failing(.invalidArgument, with: -1)
    }
    guard let opened = provider(of: context), let providerChannel = channel.providerChannel else {
        return failing(.inputOutput, with: -1)
    }
    do {
        let queue = try opened.nextCompletionEvent(providerChannel)
        guard let own = UnsafeMutablePointer<drop_in_cq>(bitPattern: queue.pointee.userTag) else {
            return failing(.inputOutput, with: -1)
        }
        pthread_mutex_lock(&own.pointee.ex.mutex)
        own.pointee.comp_events_reported &+= 1
        pthread_mutex_unlock(&own.pointee.ex.mutex)
        cq.pointee = UnsafeMutableRawPointer(own).assumingMemoryBound(to: ibv_cq.self)
        cq_context?.pointee = own.pointee.ex.cq_context
        return 0
    } catch {
        return failing(error, with: -1)
    }
}

/// Acknowledges completion events, for which ibv_destroy_cq waits (ibv_get_cq_event(3)).
@c @implementation public func ibv_ack_cq_events(_ cq: UnsafeMutablePointer<ibv_cq>?, _ nevents: CUnsignedInt) {
    guard let cq else { return }
    pthread_mutex_lock(&cq.pointee.mutex)
    cq.pointee.comp_events_completed &+= nevents
    pthread_cond_signal(&cq.pointee.cond)
    pthread_mutex_unlock(&cq.pointee.mutex)
}

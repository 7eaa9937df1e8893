import CLinux
import CVRDMAABI
import Glibc
import LinuxIO
import Verbs

/// Where completion events arrive (ibv_create_comp_channel(3)).
package final class ProviderCompletionChannel: Sendable {
    /// Readable when an event waits, and at the end of the device. The owner may make it non-blocking.
    package var descriptor: Int32 { socket.rawValue }
    /// For `createCompletionQueue`.
    package let handle: UInt32
    private let socket: FileDescriptor

    init(handle: UInt32, socket: FileDescriptor) {
        self.handle = handle
        self.socket = socket
    }
}

extension ProviderContext {
    /// The next asynchronous event of the device (ibv_get_async_event(3)).
    ///
    /// Waits unless the descriptor is non-blocking. Throws `EAGAIN` when there is none, `EINTR` for a signal. The end
    /// of the device is an event too (`deviceFatal`), once; then `EIO` is thrown.
    package func nextAsyncEvent() throws(Errno) -> vrdma_async_event {
        var event = vrdma_async_event()
        if try Self.receive(asyncDescriptor, into: &event) {
            if event.event_type == AsyncEventType.deviceFatal.rawValue {
                mutex.withLock { isFatalEventTaken = true }
                core.markFatal()
            }
            return event
        }
        core.markFatal()
        let isFirst = mutex.withLock {
            defer { isFatalEventTaken = true }
            return !isFatalEventTaken
        }
        guard isFirst else { throw .inputOutput }
        event.event_type = AsyncEventType.deviceFatal.rawValue
        return event
    }

    /// A new completion channel.
    package func createCompletionChannel() throws(Errno) -> ProviderCompletionChannel {
        let (ownEnd, endpointEnd) = try PacketSocket.pair()
        let handle = try call(
            VRDMA_OP_CREATE_COMP_CHANNEL, vrdma_handle_command(), descriptors: [endpointEnd.rawValue],
            reply: vrdma_handle_reply.self
        ).handle
        return ProviderCompletionChannel(handle: handle, socket: ownEnd)
    }

    /// Throws `EBUSY` while a completion queue uses it.
    package func destroyCompletionChannel(_ channel: ProviderCompletionChannel) throws(Errno) {
        try callToDestroy(VRDMA_OP_DESTROY_COMP_CHANNEL, handle: channel.handle)
    }

    /// The completion queue of the next event (ibv_get_cq_event(3)). Events of queues that are destroyed are dropped.
    ///
    /// Waits unless the descriptor is non-blocking. Throws `EAGAIN` when there is none, `EINTR` for a signal. With the
    /// device gone, every armed queue has one event; then `EIO` is thrown.
    package func nextCompletionEvent(
        _ channel: ProviderCompletionChannel
    ) throws(Errno) -> UnsafeMutablePointer<ProviderCompletionQueue> {
        var event = vrdma_completion_event()
        while try Self.receive(channel.descriptor, into: &event) {
            if let queue = completionQueue(slot: event.slot), queue.pointee.handle == event.cq { return queue }
        }
        core.markFatal()
        guard let queue = takeArmedQueue(of: channel.handle) else { throw .inputOutput }
        return queue
    }

    /// False at the end of the connection.
    private static func receive<Event: BitwiseCopyable>(_ descriptor: Int32, into event: inout Event) throws(Errno)
        -> Bool
    {
        let size = MemoryLayout<Event>.size
        while true {
            let count = recv(descriptor, &event, size, 0)
            if count == size { return true }
            if count == 0 { return false }
            if count < 0 {
                let error = Errno.current
                if error == .connectionReset { return false }
                throw error
            }
        }
    }
}

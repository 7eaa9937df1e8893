internal import CVRDMAABI
internal import Glibc
internal import Provider

/// A descriptor on which completion queues report that they have something (ibv_create_comp_channel(3)).
///
/// For programs with an event loop of their own, and for blocking a thread. Tasks need none: they await
/// `CompletionQueue.next()`.
public final class CompletionChannel: Sendable {
    /// The device that it belongs to.
    public let device: Device
    let channel: ProviderCompletionChannel
    private let queues = Guarded<[UInt32: WeakQueue]>([:])

    private struct WeakQueue {
        weak var queue: CompletionQueue?
    }

    /// Makes a channel, whose descriptor blocks until told otherwise.
    ///
    /// - Throws: `ENOMEM` at the guest's limit of channels, `EMFILE` at the process's limit of descriptors.
    public init(_ device: Device) throws(VerbsError) {
        self.device = device
        channel = try explaining(
            "create a completion channel",
            {
                $0 == .outOfMemory
                    ? "the guest's limit of completion channels is reached; share one between completion queues, or "
                        + "raise 'completion-channels' in the endpoint's configuration" : nil
            }, { () throws(Errno) in try device.context.createCompletionChannel() })
    }

    deinit {
        try? device.context.destroyCompletionChannel(channel)
    }

    /// Readable when an event waits, and when the device is gone; for poll(2), epoll(7) and O_NONBLOCK. Do not read it,
    /// call `nextEvent()` instead. It is open as long as the channel lives.
    public var descriptor: Int32 { channel.descriptor }

    /// Takes the next event: the completion queue that it comes from (ibv_get_cq_event(3)). Waits for it, unless the
    /// descriptor is non-blocking.
    ///
    /// An event comes once for each `CompletionQueue.arm()`. After it: arm again, then poll until there is nothing, so
    /// that nothing is lost. With the device gone, every armed queue has one event.
    ///
    /// - Throws: `EAGAIN` when there is none and the descriptor does not block, `EINTR` for a signal, `EIO` when the
    ///   device is gone and nothing is armed.
    public func nextEvent() throws(VerbsError) -> CompletionQueue {
        try explaining("wait on a completion channel", Self.explanation) { () throws(Errno) in
            // Events of queues that are gone are dropped.
            while true {
                var event = vrdma_completion_event()
                let size = MemoryLayout<vrdma_completion_event>.size
                let count = recv(channel.descriptor, &event, size, 0)
                if count < 0, errno != ECONNRESET { throw .current }
                let slot = count > 0 ? event.slot : try lastEvent()
                if let queue = queues.withLock({ $0[slot]?.queue }) { return queue }
            }
        }
    }

    /// With the device gone: the slot of a queue that is armed.
    private func lastEvent() throws(Errno) -> UInt32 {
        // The lock keeps the queue that is found from being destroyed.
        try queues.withLock { _ throws(Errno) in
            try device.context.nextCompletionEvent(channel).pointee.slot
        }
    }

    func add(_ queue: CompletionQueue, slot: UInt32) {
        queues.withLock { $0[slot] = WeakQueue(queue: queue) }
    }

    /// Destroys a queue so that no event can meet it half destroyed.
    func remove(slot: UInt32, _ destroy: () -> Void) {
        queues.withLock { queues in
            queues.removeValue(forKey: slot)
            destroy()
        }
    }

    private static func explanation(_ error: Errno) -> String? {
        switch error {
        case .wouldBlock: "there is no event now"
        case .interrupted: "a signal came first"
        default: nil
        }
    }
}

internal import Provider

/// Where the completions of queue pairs arrive (ibv_create_cq(3), IBA 10.8).
///
/// Poll it, await `next()` or `completions` in a task, or give it a `CompletionChannel`. It lives as long as a queue
/// pair uses it.
public final class CompletionQueue: @unchecked Sendable {
    /// How waiters learn of completions.
    public enum Notification: Sendable {
        /// Tasks can await them. The device's completion queues share one descriptor.
        case tasks
        /// A channel of the application's reports them.
        case channel(CompletionChannel)
        /// Nobody: they can only be polled.
        case none
    }

    /// The device that it belongs to.
    public let device: Device
    /// The channel that reports its completions, if it was made with one.
    public let channel: CompletionChannel?
    let queue: UnsafeMutablePointer<ProviderCompletionQueue>
    let dispatcher: CompletionDispatcher?
    let room = WaitingRoom()

    /// Makes a completion queue.
    ///
    /// - Parameters:
    ///   - capacity: how many completions it shall hold at least, from 1 to the device's limit. A queue that overflows
    ///     breaks, with all queue pairs that use it (IBA 11.2.8): make it as large as all their queues together.
    /// - Throws: `EINVAL` for a capacity out of range, `ENOMEM` at the guest's limit of completion queues or channels.
    public init(
        _ device: Device, capacity: Int = 256, notification: Notification = .tasks
    ) throws(VerbsError) {
        let attributes = device.attributes
        let operation = "create a completion queue of \(capacity) entries"
        guard let entries = UInt32(exactly: capacity), (1...attributes.maxCompletionQueueEntries).contains(entries)
        else {
            throw VerbsError(
                .invalidArgument, operation, "the device offers 1 to \(attributes.maxCompletionQueueEntries) entries")
        }
        let explain: (Errno) -> String? = {
            ErrorTexts.objectLimit(
                $0, "completion queues", limit: attributes.maxCompletionQueues, key: "completion-queues")
        }
        self.device = device
        switch notification {
        case .tasks:
            dispatcher = try explaining(operation, explain) { () throws(Errno) in try device.dispatcher() }
            channel = nil
        case .channel(let given):
            guard given.device === device else {
                throw VerbsError(.invalidArgument, operation, "the channel belongs to another device")
            }
            dispatcher = nil
            channel = given
        case .none:
            dispatcher = nil
            channel = nil
        }
        let handle = dispatcher?.channel.handle ?? channel?.channel.handle ?? 0
        queue = try explaining(operation, of: device, explain) { () throws(Errno) in
            try device.context.createCompletionQueue(entries: entries, channel: handle)
        }
        dispatcher?.enter(queue.pointee.slot, room)
        channel?.add(self, slot: queue.pointee.slot)
    }

    deinit {
        let slot = queue.pointee.slot
        let destroy = { try? self.device.context.destroyCompletionQueue(self.queue) }
        dispatcher?.leave(slot)
        if let channel {
            channel.remove(slot: slot) { _ = destroy() }
        } else {
            _ = destroy()
        }
    }

    /// How many completions it holds: at least what was asked for.
    public var capacity: Int { Int(queue.pointee.entryCount) }

    /// What asynchronous events name it by.
    public var identifier: UInt32 { queue.pointee.handle }
}

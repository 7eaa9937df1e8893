import CVRDMAABI
import LinuxIO
import Tables
import Verbs

/// The way to peers that are not guests of this endpoint: a device that executes work requests for the engine.
///
/// The engine keeps a guest's rings, checks what a guest says and translates its identifiers; the adapter keeps the
/// device's objects and never sees a guest. Completion queues and queue pairs are named by their index in the engine's
/// tables, protection domains and memory by handles of the adapter. All methods are called on the engine's thread and
/// none of them waits: what may take long, registering memory, is begun and later answered by an event.
///
/// The device may go away at any time. The adapter then forgets all its objects by itself and says so once, with
/// `HostEvent.lost`; until it says `HostEvent.available`, everything that it is asked for fails with `ENODEV`.
///
/// Every token is answered once, also those that were under way when the device went away: with `ENODEV`, or as
/// deregistered. Handles and queue pairs of a device that was lost may still be named to it, and mean nothing then.
package protocol HostAdapter: AnyObject {
    /// Its name in configuration and status: `verbs`.
    var name: String { get }
    /// The device is there and can be used.
    var isAvailable: Bool { get }
    /// What the device offers. While it is away: what it offered.
    var attributes: HostDeviceAttributes { get }
    /// The port as it is now.
    var port: HostPortAttributes { get }
    /// Readable when `nextEvent` or `poll` has something, after `prepareToSleep`.
    var eventDescriptor: FileDescriptor { get }
    /// When to call `poll` again although no descriptor is readable; a time in nanoseconds, nil for never.
    var nextDeadlineNanoseconds: UInt64? { get }

    /// Whether the device has an address now, so that a guest can send from it.
    func hasAddress(_ address: GID) -> Bool

    /// Makes a protection domain (ibv_alloc_pd(3)).
    func createProtectionDomain() throws(Errno) -> HostHandle
    /// Takes a protection domain away as soon as the last memory in it is gone.
    func destroyProtectionDomain(_ domain: HostHandle)
    /// Begins to register memory; `HostEvent.registered` or `.registrationFailed` with the token answers.
    func beginRegistration(_ registration: HostRegistration, token: UInt64)
    /// Begins to deregister memory; `HostEvent.deregistered` with the token answers. From then on no peer reaches it.
    func beginDeregistration(_ memory: HostHandle, token: UInt64)

    /// Makes a completion queue for at least `entryCount` completions (ibv_create_cq(3)).
    func createCompletionQueue(_ queue: UInt32, entryCount: UInt32) throws(Errno)
    func destroyCompletionQueue(_ queue: UInt32)
    /// Takes the queue away when there is time: its application is gone, and waits for nothing.
    func abandonCompletionQueue(_ queue: UInt32)
    /// Wishes an event `HostEvent.solicited` for the queue's next solicited completion (ibv_req_notify_cq(3)).
    func requestSolicitedEvent(_ queue: UInt32) throws(Errno)

    /// Makes an RC queue pair (ibv_create_qp(3)); its number is the device's choice.
    func createQueuePair(_ queuePair: UInt32, _ shape: HostQueuePairShape) throws(Errno) -> QueuePairNumber
    /// Changes state and attributes as `attributes.attribute_mask` says (ibv_modify_qp(3)).
    ///
    /// A change to the reset state forgets what was posted, and completions that were not polled.
    ///
    /// - Parameter source: the guest's address, in place of an index in the device's own GID table.
    func modifyQueuePair(_ queuePair: UInt32, _ attributes: vrdma_qp_attributes, source: GID) throws(Errno)
    /// Begins such a change; `HostEvent.modified` or `.modificationFailed` with the token answers. For changes that name
    /// a peer: the kernel may have to look for its hardware address, for a second or more.
    func beginModification(
        _ queuePair: UInt32, _ attributes: vrdma_qp_attributes, source: GID, token: UInt64)
    /// What the device itself knows of the queue pair (ibv_query_qp(3)): states, PSNs and whether it drains.
    func queryQueuePair(_ queuePair: UInt32) throws(Errno) -> vrdma_qp_attributes
    /// Takes the queue pair away; none of its completions is seen any more.
    func destroyQueuePair(_ queuePair: UInt32)
    /// Takes the queue pair away when there is time: its application is gone, and waits for nothing. What is abandoned or
    /// deregistered afterwards goes after it.
    func abandonQueuePair(_ queuePair: UInt32)

    /// Adds a request to the batch that `postSends` posts. False when the batch is full, or the request cannot be
    /// expressed.
    func appendSend(_ request: HostSendRequest, elements: Block<vrdma_sge>) -> Bool
    /// Has the last request of the batch completed even if it was not signaled.
    func signalLastSend()
    /// Posts the batch on a queue pair (ibv_post_send(3)); returns how many requests the device took.
    func postSends(_ queuePair: UInt32) -> Int
    /// Adds a receive to the batch that `postReceives` posts. False when the batch is full, or the receive cannot be
    /// expressed.
    func appendReceive(index: UInt32, elements: Block<vrdma_sge>, elementCount: Int) -> Bool
    /// Posts the batch on a queue pair (ibv_post_recv(3)); returns how many receives the device took.
    func postReceives(_ queuePair: UInt32) -> Int
    /// A local key that no queue pair of a guest may use: a request that names it ends with a local protection error.
    var forbiddenLocalKey: UInt32 { get }

    /// Takes completions, in the order of each queue; returns how many. Fewer than there is room for means that the
    /// queues that were looked at are empty.
    func poll(into completions: Block<HostCompletion>, now: UInt64) -> Int
    /// What happened besides completions; nil when that was all.
    func nextEvent() -> HostEvent?
    /// Makes `eventDescriptor` readable with the next completion. False when one came just before.
    func prepareToSleep() -> Bool
}

extension HostAdapter {
    package func abandonCompletionQueue(_ queue: UInt32) { destroyCompletionQueue(queue) }
    package func abandonQueuePair(_ queuePair: UInt32) { destroyQueuePair(queuePair) }
}

/// The adapter's name of a protection domain or of registered memory.
package struct HostHandle: RawRepresentable, BitwiseCopyable, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }
}

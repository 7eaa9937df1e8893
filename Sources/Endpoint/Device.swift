import CVRDMAABI
import LinuxIO
import MemoryTranslation
import SharedMemory
import Tables
import Verbs

/// The virtual RDMA device: guests, their objects, and the engine that executes their requests.
///
/// It has no thread, clock or descriptor of its own: commands come in through `execute`, requests are executed by
/// `poll(now:)`, and what has to be done outside is taken with `takeOutputs`.
package final class Device {
    package let limits: DeviceLimits
    /// The way to peers elsewhere, and what is known of its objects.
    let host: HostState?
    let queuePairs: Slab<QueuePair>
    let completionQueues: Slab<CompletionQueue>
    let contexts: Slab<Context>
    var guests: [UInt32: Guest] = [:]
    var contextDetails: [UInt32: ContextDetails] = [:]
    var guestsByAddress: [GID: UInt32] = [:]
    private var nextGuestIdentifier: UInt32 = 1

    let schedules: Slab<GuestSchedule>
    /// The schedules that have something to be looked at.
    let runnable: IndexList
    /// Queue pairs whose send queue stands still for a time.
    let waiting: IndexList
    /// Completion queues whose arm word is to be looked at when the turn ends.
    let dirty: IndexList
    let scratch: TransferScratch
    var turn = TurnState()
    var outputs: [DeviceOutput] = []

    /// - Parameters:
    ///   - host: the way to peers that are not guests of this endpoint; without one there is none.
    ///   - usesLocalPath: guests of this endpoint reach each other memory to memory; otherwise by the host adapter too.
    package init(
        limits: DeviceLimits = DeviceLimits(), host: (any HostAdapter)? = nil, usesLocalPath: Bool = true
    ) {
        let limits = host.map { limits.limited(by: $0) } ?? limits
        self.limits = limits
        self.host = host.map { HostState(adapter: $0, usesLocalPath: usesLocalPath) }
        queuePairs = Slab(capacity: limits.totalQueuePairs)
        // Handles are indices, and no handle is 0.
        completionQueues = Slab(capacity: limits.totalCompletionQueues + 1, firstIndex: 1)
        contexts = Slab(capacity: limits.totalContexts + 1, firstIndex: 1)
        schedules = Slab(capacity: limits.guests)
        runnable = IndexList(capacity: limits.guests)
        waiting = IndexList(capacity: limits.totalQueuePairs)
        dirty = IndexList(capacity: limits.totalCompletionQueues + 1)
        scratch = TransferScratch()
    }

    deinit {
        for index in contexts.liveIndices { contexts[index].slots.deallocate() }
        for index in schedules.liveIndices { schedules[index].deallocate() }
        host?.deallocate()
        for list in [runnable, waiting, dirty] { list.deallocate() }
        scratch.deallocate()
    }

    /// Admits a guest with a name and an address that no other guest has now.
    ///
    /// Throws `ENOMEM` at the limit of guests, `EADDRINUSE` for an address or `EEXIST` for a name in use, and `EINVAL`
    /// for an address that cannot be a guest's.
    package func addGuest(name: String, address: GID, limits: DeviceLimits? = nil) throws(Errno) -> UInt32 {
        guard !address.isZero, !address.isMulticast else { throw .invalidArgument }
        guard !guests.values.contains(where: { $0.name == name }) else { throw .alreadyExists }
        let wanted = limits ?? self.limits
        let limits = host.map { wanted.limited(by: $0.adapter) } ?? wanted
        let guest = Guest(
            identifier: nextGuestIdentifier, name: name, address: address, limits: limits,
            keysFrom: host == nil ? .table : .device)
        guard guest.addresses.allSatisfy({ guestsByAddress[$0] == nil }) else { throw .addressInUse }
        let schedule = GuestSchedule(limits: limits)
        guard let index = schedules.insert(schedule) else {
            schedule.deallocate()
            throw .outOfMemory
        }
        guest.schedule = index
        nextGuestIdentifier &+= 1
        guests[guest.identifier] = guest
        for address in guest.addresses { guestsByAddress[address] = guest.identifier }
        return guest.identifier
    }

    /// Takes a guest away with all that it owns. Its peers see what they see of a machine that went away.
    package func removeGuest(_ identifier: UInt32) {
        guard let guest = guests[identifier] else { return }
        forgetWaitingChanges(of: guest)
        forgetWaitingRegistrations(of: guest)
        for context in guest.contexts { closeContext(context, of: guest) }
        for address in guest.addresses { guestsByAddress[address] = nil }
        if schedules[guest.schedule].isRunnable { runnable.remove(guest.schedule) }
        schedules[guest.schedule].deallocate()
        schedules.remove(guest.schedule)
        guests[identifier] = nil
    }

    package func guest(_ identifier: UInt32) -> Guest? { guests[identifier] }

    package var guestCount: Int { guests.count }

    /// The descriptor by which a context's application wakes the endpoint.
    package func kickDescriptor(ofContext context: UInt32) -> FileDescriptor? { contextDetails[context]?.kick }

    /// What has to be done outside since the last call.
    package func takeOutputs() -> [DeviceOutput] {
        guard !outputs.isEmpty else { return [] }
        defer { outputs = [] }
        return outputs
    }

    /// Notes an asynchronous event for the application that owns the element.
    func raise(_ event: AsyncEventType, context: UInt32, element: UInt32, slot: UInt32) {
        guard let details = contextDetails[context] else { return }
        if let guest = guests[contexts[context].guest] { guest.counters.asyncEvents &+= 1 }
        outputs.append(
            .asyncEvent(
                socket: details.asyncSocket,
                vrdma_async_event(event_type: event.rawValue, element: element, slot: slot, reserved: 0)))
    }

    /// Notes an asynchronous event of a queue pair.
    func raise(_ event: AsyncEventType, queuePair index: UInt32) {
        raise(
            event, context: queuePairs[index].context, element: queuePairs[index].number.rawValue,
            slot: queuePairs[index].slot)
    }

    /// Counts a rule that a guest broke, with a line for the log.
    func recordViolation(guest identifier: UInt32, _ reason: String) {
        guard let guest = guests[identifier] else { return }
        guest.counters.violations &+= 1
        outputs.append(.violation(guest: guest.name, reason: reason))
    }
}

internal import CVRDMAABI
internal import Glibc
internal import LinuxIO
internal import Provider

/// Takes the asynchronous events of a device, and wakes the tasks that wait for them.
final class AsyncEventSource: ReadinessHandler {
    private let context: ProviderContext
    private let room = WaitingRoom()
    private let registration = Guarded<Reactor.Registration?>(nil)

    init(_ context: ProviderContext) {
        self.context = context
        // Events are looked for before anybody waits for them.
        let flags = fcntl(context.asyncDescriptor, F_GETFL)
        _ = fcntl(context.asyncDescriptor, F_SETFL, flags | O_NONBLOCK)
    }

    func becameReady() { room.signal() }

    /// The next event; nil when there is none now. Throws `EIO` when the device is gone and everything was told.
    func take() throws(Errno) -> AsyncEvent? {
        while true {
            let event: vrdma_async_event
            do throws(Errno) {
                event = try context.nextAsyncEvent()
            } catch .wouldBlock {
                return nil
            } catch .interrupted {
                continue
            }
            if let known = AsyncEvent(event), isAlive(known, event.slot) { return known }
        }
    }

    /// The next event. Throws `ECANCELED` when the task is cancelled.
    nonisolated(nonsending) func next() async throws(Errno) -> AsyncEvent {
        try start()
        while true {
            let generation = room.generation
            if let event = try take() { return event }
            guard !Task.isCancelled else { throw Errno(rawValue: ECANCELED) }
            await room.wait(after: generation)
        }
    }

    func stop() {
        registration.withLock { registered in
            if let registered { registered.cancel() }
            registered = nil
        }
        room.signal()
    }

    private func start() throws(Errno) {
        try registration.withLock { (registered) throws(Errno) in
            guard registered == nil else { return }
            registered = try Reactor.shared().watch(context.asyncDescriptor, edgeTriggered: true, self)
        }
    }

    /// Events of queue pairs that were destroyed meanwhile are dropped.
    private func isAlive(_ event: AsyncEvent, _ slot: UInt32) -> Bool {
        switch event.subject {
        case .queuePair(let number): context.queuePair(slot: slot, number: number.rawValue) != nil
        case .completionQueue: context.completionQueue(slot: slot) != nil
        case .port, .device: true
        }
    }
}

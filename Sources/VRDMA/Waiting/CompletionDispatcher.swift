internal import CVRDMAABI
internal import Glibc
internal import Provider

/// The completion channel that all completion queues of a device share whose completions are awaited by tasks: takes
/// the events and wakes the tasks of the queue that each one names.
final class CompletionDispatcher: ReadinessHandler {
    private struct State {
        var rooms: [UInt32: WaitingRoom] = [:]
        var registration: Reactor.Registration?
        /// The device is gone; no more events come.
        var isOver = false
    }

    let channel: ProviderCompletionChannel
    private let context: ProviderContext
    private let state = Guarded(State())
    /// Events taken before other descriptors get their turn.
    private static let eventsPerTurn = 256

    init(_ channel: ProviderCompletionChannel, _ context: ProviderContext) {
        self.channel = channel
        self.context = context
        let flags = fcntl(channel.descriptor, F_GETFL)
        _ = fcntl(channel.descriptor, F_SETFL, flags | O_NONBLOCK)
    }

    /// Lets the events of a completion queue, by its slot, wake those in the room.
    func enter(_ slot: UInt32, _ room: WaitingRoom) {
        state.withLock { $0.rooms[slot] = room }
    }

    /// Forgets a completion queue that is destroyed.
    func leave(_ slot: UInt32) {
        state.withLock { _ = $0.rooms.removeValue(forKey: slot) }
    }

    /// Begins to take events, before the first wait. Nothing is lost before: events stay in the channel.
    func start() throws(Errno) {
        try state.withLock { (state) throws(Errno) in
            guard state.registration == nil, !state.isOver else { return }
            state.registration = try Reactor.shared().watch(channel.descriptor, edgeTriggered: false, self)
        }
    }

    /// The device is gone: nothing will wake anybody any more.
    var isOver: Bool { state.withLock { $0.isOver } }

    /// Takes no more events.
    func stop() {
        end()
    }

    func becameReady() {
        for _ in 0..<Self.eventsPerTurn {
            var event = vrdma_completion_event()
            let size = MemoryLayout<vrdma_completion_event>.size
            let count = recv(channel.descriptor, &event, size, Int32(MSG_DONTWAIT))
            if count == size {
                let slot = event.slot
                state.withLock { $0.rooms[slot] }?.signal()
            } else if count <= 0 {
                if count < 0, errno == EAGAIN || errno == EINTR { return }
                // This notes in the context that the device is gone, so that polling flushes what is outstanding.
                _ = try? context.nextCompletionEvent(channel)
                end()
                return
            }
        }
    }

    private func end() {
        let rooms = state.withLock { state in
            state.isOver = true
            state.registration?.cancel()
            state.registration = nil
            return Array(state.rooms.values)
        }
        for room in rooms { room.signal() }
    }
}

/// Where tasks wait for a signal. A signal that comes between a look and the wait is not lost: the waiter tells which
/// generation of signals it had seen when it looked.
final class WaitingRoom: Sendable {
    private struct State {
        var generation: UInt64 = 0
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Guarded(State())

    /// Counts the signals. Read it before looking at what is waited for.
    var generation: UInt64 { state.withLock { $0.generation } }

    /// Wakes everybody.
    func signal() {
        let waiters = state.withLock { state in
            state.generation &+= 1
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Returns after the next signal that followed `generation`, or when the task is cancelled; sometimes earlier.
    nonisolated(nonsending) func wait(after generation: UInt64) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.generation != generation { return true }
                    state.waiters.append(continuation)
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            // The others wake up, too, see nothing and wait again: cancellation is rare.
            signal()
        }
    }
}

import LinuxIO
import Service
import Synchronization
import Verbs

/// What other threads ask of the loop, and the descriptor that tells it to look.
final class GuestDriverControl: Sendable {
    let wakeUp: FileDescriptor
    private let stopRequested = Atomic(false)
    private let newConfiguration = Mutex<GuestConfiguration?>(nil)
    private let turns = Atomic<UInt64>(0)

    init() throws(Errno) {
        wakeUp = try EventDescriptor.create()
    }

    var isStopRequested: Bool { stopRequested.load(ordering: .acquiring) }

    /// Turns of the loop so far.
    var turnCount: UInt64 { turns.load(ordering: .relaxed) }

    func requestStop() {
        stopRequested.store(true, ordering: .releasing)
        EventDescriptor.signal(wakeUp.rawValue)
    }

    func requestReload(_ configuration: GuestConfiguration) {
        newConfiguration.withLock { $0 = configuration }
        EventDescriptor.signal(wakeUp.rawValue)
    }

    /// Makes the loop turn once.
    func touch() {
        EventDescriptor.signal(wakeUp.rawValue)
    }

    func takeConfiguration() -> GuestConfiguration? {
        newConfiguration.withLock { configuration in
            defer { configuration = nil }
            return configuration
        }
    }

    func countTurn() {
        turns.wrappingAdd(1, ordering: .relaxed)
    }
}

import LinuxIO
import Service
import SharedMemory
import Synchronization
import Verbs

/// Unmaps memory on a thread of its own: the pages of a large region take longer to give back than other guests may be
/// kept waiting.
final class MemoryReleaser: Sendable {
    private struct State {
        var mappings: [Mapping] = []
        var isStopped = false
    }

    private let state = Mutex(State())
    private let signal: FileDescriptor
    private let poller: Poller

    init() throws(Errno) {
        signal = try EventDescriptor.create()
        poller = try Poller()
        try poller.add(signal.rawValue, token: 0)
    }

    func start() throws(Errno) -> BackgroundThread {
        try BackgroundThread(name: "vrdma-release") { self.run() }
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        EventDescriptor.signal(signal.rawValue)
    }

    /// Takes over the last references.
    func release(_ mappings: [Mapping]) {
        state.withLock { $0.mappings += mappings }
        EventDescriptor.signal(signal.rawValue)
    }

    private func run() {
        var ready: [Poller.Ready] = []
        while true {
            EventDescriptor.clear(signal.rawValue)
            let (mappings, isStopped) = state.withLock { state in
                defer { state.mappings = [] }
                return (state.mappings, state.isStopped)
            }
            // Unmapped here, with the last reference.
            _ = consume mappings
            if isStopped { return }
            ready.removeAll()
            guard (try? poller.wait(timeoutNanoseconds: nil, into: &ready)) != nil else { return }
        }
    }
}

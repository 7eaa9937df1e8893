import Endpoint
import LinuxIO
import Service
import Synchronization
import Verbs

/// What other threads ask of the endpoint's loop, and the descriptor that tells it to look.
final class EndpointControl: Sendable {
    /// A question for the status: called on the loop's thread with the answer.
    typealias StatusQuestion = @Sendable (EndpointStatus) -> Void

    let wakeUp: FileDescriptor
    private let stopRequested = Atomic(false)
    private let newConfiguration = Mutex<EndpointConfiguration?>(nil)
    private let questions = Mutex<[StatusQuestion]>([])
    private let turns = Atomic<UInt64>(0)

    init() throws(Errno) {
        wakeUp = try EventDescriptor.create()
    }

    var isStopRequested: Bool { stopRequested.load(ordering: .acquiring) }

    /// How often the loop looked at its descriptors.
    var turnCount: UInt64 { turns.load(ordering: .relaxed) }

    func requestStop() {
        stopRequested.store(true, ordering: .releasing)
        touch()
    }

    func requestReload(_ configuration: EndpointConfiguration) {
        newConfiguration.withLock { $0 = configuration }
        touch()
    }

    func ask(_ question: @escaping StatusQuestion) {
        questions.withLock { $0.append(question) }
        touch()
    }

    /// Makes the loop look, also when there is nothing to do.
    func touch() {
        EventDescriptor.signal(wakeUp.rawValue)
    }

    func takeConfiguration() -> EndpointConfiguration? {
        newConfiguration.withLock { configuration in
            defer { configuration = nil }
            return configuration
        }
    }

    func takeQuestions() -> [StatusQuestion] {
        questions.withLock { questions in
            defer { questions = [] }
            return questions
        }
    }

    func countTurn() {
        turns.wrappingAdd(1, ordering: .relaxed)
    }
}

import VRDMA

/// Waits for messages by polling, or asleep on the completion channel.
struct Waiter {
    private let side: TestSide
    private var batch = [WorkCompletion](repeating: WorkCompletion(), count: 16)
    private var messages: [WorkCompletion] = []
    private var isArmed = false

    init(_ side: TestSide) {
        self.side = side
    }

    /// The next message. Completions of what was sent are passed over.
    mutating func message() throws -> WorkCompletion {
        while true {
            if !messages.isEmpty { return messages.removeFirst() }
            // A queue that is armed before it is looked at tells of everything that comes after the look.
            if side.channel != nil, !isArmed {
                side.completions.arm()
                isArmed = true
            }
            let count = side.completions.poll(into: &batch)
            for index in 0..<count {
                try TestSide.check(batch[index])
                if batch[index].isReceive { messages.append(batch[index]) }
            }
            if count == 0, let channel = side.channel {
                _ = try channel.nextEvent()
                isArmed = false
            }
        }
    }
}

/// Runs a task to its end; the calling thread sleeps meanwhile.
func waitForTask<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) throws -> Result {
    let outcome = Outcome<Result>()
    Task.detached {
        do {
            outcome.set(.success(try await body()))
        } catch {
            outcome.set(.failure(error))
        }
    }
    return try outcome.wait().get()
}

internal import Glibc
internal import Provider

/// Waiting in a task.
extension CompletionQueue {
    /// Waits for the next completion and takes it.
    ///
    /// Several tasks may wait; each completion goes to one of them.
    ///
    /// - Throws: `ECANCELED` when the task is cancelled, `EIO` when the device is gone and nothing is outstanding,
    ///   `EINVAL` for a queue that was not made for tasks.
    nonisolated(nonsending) public func next() async throws(VerbsError) -> WorkCompletion {
        // Without waiting nothing else is needed.
        if let completion = poll() { return completion }
        let dispatcher = try taskDispatcher()
        while true {
            let generation = room.generation
            let isOver = dispatcher.isOver
            arm()
            // What came before the queue was armed is not told by an event.
            if let completion = poll() { return completion }
            if isOver { throw VerbsError(.inputOutput, waiting, ErrorTexts.general(.inputOutput)) }
            if Task.isCancelled { throw .cancelled(waiting) }
            await room.wait(after: generation)
            if let completion = poll() { return completion }
        }
    }

    /// Waits until there are completions and takes them, at most as many as the array has elements. Returns how many
    /// were written to its beginning. Throws as `next()`.
    nonisolated(nonsending) public func next(
        into completions: inout [WorkCompletion]
    ) async throws(VerbsError) -> Int {
        guard !completions.isEmpty else { return 0 }
        completions[0] = try await next()
        guard completions.count > 1 else { return 1 }
        return 1
            + completions.withUnsafeMutableBufferPointer {
                poll(into: UnsafeMutableBufferPointer(rebasing: $0[1...]))
            }
    }

    /// All completions from now on, as they come. Ends when the task is cancelled; fails as `next()` does.
    public var completions: Completions { Completions(queue: self) }

    /// The completions of a queue, one after the other.
    public struct Completions: AsyncSequence, Sendable {
        /// A completion.
        public typealias Element = WorkCompletion
        /// What `next()` throws.
        public typealias Failure = VerbsError

        let queue: CompletionQueue

        /// Gives the completions.
        public struct AsyncIterator: AsyncIteratorProtocol {
            let queue: CompletionQueue

            /// The next completion; nil when the task is cancelled.
            public mutating func next() async throws(VerbsError) -> WorkCompletion? {
                try await next(isolation: #isolation)
            }

            /// The next completion; nil when the task is cancelled.
            public mutating func next(
                isolation actor: isolated (any Actor)?
            ) async throws(VerbsError) -> WorkCompletion? {
                do throws(VerbsError) {
                    return try await queue.next()
                } catch {
                    if error.isCancellation { return nil }
                    throw error
                }
            }
        }

        /// Begins to wait.
        public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(queue: queue) }
    }

    private var waiting: String { "wait on completion queue \(identifier)" }

    private func taskDispatcher() throws(VerbsError) -> CompletionDispatcher {
        guard let dispatcher else {
            throw VerbsError(
                .invalidArgument, waiting, "the queue was made without notification of tasks; make it with .tasks")
        }
        try explaining(waiting) { () throws(Errno) in try dispatcher.start() }
        return dispatcher
    }
}

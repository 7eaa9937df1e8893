import Testing
import VRDMA

extension IntegrationTests {
    /// Completions that tasks await.
    @Suite struct TaskWaitingTests {
        /// Each message is sent when the one before has come, so that everybody sleeps between any two: a lost event
        /// would end this.
        @Test func noEventIsLost() async throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let rounds = 2_000 as UInt64
            async let answers: Void = Self.answer(pair.second, rounds: rounds)
            let buffer = try pair.first.buffer(16)
            for round in 0..<rounds {
                try pair.first.queuePair.post(ReceiveRequest(buffer[8..<16], identifier: round))
                buffer.store(round)
                // One signalled request in a while makes room in the send queue.
                try pair.first.queuePair.post(.send(buffer[0..<8], flags: round % 32 == 0 ? .signaled : []))
                var received = try await pair.first.completions.next()
                if !received.isReceive { received = try await pair.first.completions.next() }
                #expect(received.isSuccess && received.isReceive && received.identifier == round)
                #expect(buffer.load(fromByteOffset: 8, as: UInt64.self) == round + 1)
            }
            try await answers
        }

        private static func answer(_ side: Side, rounds: UInt64) async throws {
            let buffer = try side.buffer(16)
            try side.queuePair.post(ReceiveRequest(buffer[0..<8]))
            var round = 0 as UInt64
            for try await completion in side.completions.completions where completion.isReceive {
                #expect(completion.isSuccess && buffer.load(as: UInt64.self) == round)
                round += 1
                buffer.store(round, toByteOffset: 8)
                if round < rounds { try side.queuePair.post(ReceiveRequest(buffer[0..<8])) }
                try side.queuePair.post(.send(buffer[8..<16], flags: round % 32 == 0 ? .signaled : []))
                if round == rounds { break }
            }
        }

        @Test func whatIsThereAlreadyIsNotWaitedFor() async throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let buffer = try pair.first.buffer(8)
            let target = try pair.second.buffer(8)
            for identifier in 0..<10 as Range<UInt64> {
                try pair.first.queuePair.post(.write(buffer[...], to: target.remote, identifier: identifier))
            }
            var batch = [WorkCompletion](repeating: WorkCompletion(), count: 4)
            var found: [UInt64] = []
            while found.count < 10 {
                let count = try await pair.first.completions.next(into: &batch)
                found += batch.prefix(count).map(\.identifier)
            }
            #expect(found == Array(0..<10))
        }

        @Test func severalTasksShareAQueue() async throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let buffer = try pair.first.buffer(8)
            let target = try pair.second.buffer(8)
            let completions = pair.first.completions
            let found = try await withThrowingTaskGroup(of: UInt64.self) { group in
                for _ in 0..<40 { group.addTask { try await completions.next().identifier } }
                for identifier in 0..<40 as Range<UInt64> {
                    try pair.first.queuePair.post(.write(buffer[...], to: target.remote, identifier: identifier))
                    await Task.yield()
                }
                return try await group.reduce(into: Set<UInt64>()) { $0.insert($1) }
            }
            #expect(found == Set(0..<40))
        }

        @Test func cancellationEndsTheWait() async throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let completions = pair.first.completions
            let waiting = Task { () async -> VerbsError? in
                do throws(VerbsError) {
                    _ = try await completions.next()
                    return nil
                } catch {
                    return error
                }
            }
            for _ in 0..<50 { await Task.yield() }
            waiting.cancel()
            let error = await waiting.value
            #expect(error?.isCancellation == true)
            let sequence = Task { () async throws -> Int in
                var count = 0
                for try await _ in completions.completions { count += 1 }
                return count
            }
            for _ in 0..<50 { await Task.yield() }
            sequence.cancel()
            #expect(try await sequence.value == 0)
            // The queue is as good as before.
            let buffer = try pair.first.buffer(8)
            let target = try pair.second.buffer(8)
            try pair.first.queuePair.post(.write(buffer[...], to: target.remote, identifier: 4))
            #expect(try await completions.next().identifier == 4)
        }

        @Test func aQueueWithoutNotificationSaysSo() async throws {
            let installation = try Installation()
            let queue = try CompletionQueue(installation.open("a"), notification: .none)
            let error = await #expect(throws: VerbsError.self) { try await queue.next() }
            #expect(error?.code == .invalidArgument && error?.reason.contains(".tasks") == true)
        }

        @Test func aQueueThatGoesWhileOthersWait() async throws {
            let installation = try Installation()
            let device = try installation.open("a")
            for _ in 0..<100 {
                let queue = try CompletionQueue(device)
                let task = Task { try? await queue.next() }
                await Task.yield()
                task.cancel()
                _ = await task.value
            }
        }
    }
}

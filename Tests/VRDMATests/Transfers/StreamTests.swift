import TestKit
import Testing
import VRDMA

extension IntegrationTests {
    /// Many requests at once.
    @Suite struct StreamTests {
        /// Random operations, signalled or not, alone or in lists, against a model of both memories.
        @Test(arguments: [31, 32, 33] as [UInt64]) func aModelAgrees(seed: UInt64) throws {
            let installation = try Installation()
            let capabilities = QueuePair.Capabilities(maxSendRequests: 64, maxSendElements: 3, maxInlineBytes: 64)
            let pair = try Pair(installation.open("a"), installation.open("b"), capabilities: capabilities)
            var generator = SeededGenerator(seed: seed)
            let size = 20_000
            let local = try pair.first.buffer(size)
            let remote = try pair.second.buffer(size)
            local.fill(&generator)
            remote.fill(&generator)
            var localModel = local.bytes
            var remoteModel = remote.bytes
            var posted: UInt64 = 0
            var completed: UInt64 = 0
            var lastRead: UInt64 = 0
            func range() -> Range<Int> {
                let length = Int.random(in: 0...200, using: &generator)
                let start = Int.random(in: 0...(size - length), using: &generator)
                return start..<(start + length)
            }
            func drain(_ count: UInt64) throws {
                while posted - completed > count {
                    let completion = try pair.first.completion()
                    #expect(completion.isSuccess, "seed \(seed)")
                    completed = completion.identifier
                }
            }
            for round in 0..<3_000 {
                try drain(40)
                var requests: [WorkRequest] = []
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    let source = range()
                    let place = Int.random(in: 0...(size - source.count), using: &generator)
                    posted += 1
                    // The last of a round is signalled, so that the round ends with a completion.
                    var flags: WorkRequest.Flags = Bool.random(using: &generator) ? .signaled : []
                    if Bool.random(using: &generator) {
                        // Inline data is taken at once, so nothing may be under way that still writes there.
                        if source.count <= 64, lastRead <= completed { flags.insert(.inline) }
                        requests.append(
                            .write(
                                local[source], to: remote.remote.advanced(by: place), identifier: posted,
                                flags: flags))
                        remoteModel.replaceSubrange(place..<(place + source.count), with: localModel[source])
                    } else {
                        requests.append(
                            .read(
                                into: local[place..<(place + source.count)],
                                from: remote.remote.advanced(by: source.lowerBound), identifier: posted, flags: flags))
                        lastRead = posted
                        localModel.replaceSubrange(place..<(place + source.count), with: remoteModel[source])
                    }
                    // It may use what was read before.
                    requests[requests.count - 1].flags.insert(.fence)
                }
                requests[requests.count - 1].flags.insert(.signaled)
                try pair.first.queuePair.post(requests)
                if round % 500 == 499 {
                    try drain(0)
                    #expect(local.bytes == localModel, "seed \(seed)")
                    #expect(remote.bytes == remoteModel, "seed \(seed)")
                }
            }
        }

        @Test func unsignalledRequestsAreFreedByALaterCompletion() throws {
            let installation = try Installation()
            let capabilities = QueuePair.Capabilities(maxSendRequests: 16)
            let pair = try Pair(installation.open("a"), installation.open("b"), capabilities: capabilities)
            let buffer = try pair.first.buffer(8)
            let target = try pair.second.buffer(8)
            let capacity = pair.first.queuePair.capabilities.maxSendRequests
            for _ in 0..<50 {
                for position in 1...capacity {
                    try pair.first.queuePair.post(
                        .write(
                            buffer[...], to: target.remote, identifier: UInt64(position),
                            flags: position == capacity ? .signaled : []))
                }
                #expect(try pair.first.completion().identifier == UInt64(capacity))
            }
            #expect(pair.first.completions.poll() == nil)
        }

        @Test func severalAtOnceComeInOrder() throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let source = try pair.first.buffer(8 * 128)
            let target = try pair.second.buffer(8 * 128)
            source.withMutableSpan(of: UInt64.self) { words in
                for index in words.indices { words[index] = UInt64(index) }
            }
            try pair.second.queuePair.post(
                (0..<128).map { ReceiveRequest(target[8 * $0..<8 * $0 + 8], identifier: UInt64($0)) })
            try pair.first.queuePair.post(
                (0..<128).map { WorkRequest.send(source[8 * $0..<8 * $0 + 8], identifier: UInt64($0)) })
            var found: [WorkCompletion] = []
            var batch = [WorkCompletion](repeating: WorkCompletion(), count: 50)
            try eventually("all completions") {
                let count = pair.second.completions.poll(into: &batch)
                found += batch.prefix(count)
                return found.count == 128
            }
            #expect(found.map(\.identifier) == Array(0..<128))
            #expect(found.allSatisfy { $0.isSuccess })
            #expect(target.bytes == source.bytes)
        }

        @Test func signalAllSignalsAll() throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"), signalsAll: true)
            let buffer = try pair.first.buffer(8)
            let target = try pair.second.buffer(8)
            for index in 0..<10 as Range<UInt64> {
                try pair.first.queuePair.post(
                    .write(buffer[...], to: target.remote, identifier: index, flags: []))
                #expect(try pair.first.completion().identifier == index)
            }
        }
    }
}

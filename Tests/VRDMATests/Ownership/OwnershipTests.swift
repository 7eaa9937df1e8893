import TestKit
import Testing
import VRDMA

extension IntegrationTests {
    /// Nothing dangles, whatever is released first.
    @Suite struct OwnershipTests {
        @Test(arguments: 41...60 as ClosedRange<UInt64>) func anyOrderOfRelease(seed: UInt64) throws {
            let installation = try Installation()
            var generator = SeededGenerator(seed: seed)
            var objects: [AnyObject] = []
            do {
                let pair = try Pair(installation.open("a"), installation.open("b"))
                let local = try pair.first.buffer(4096)
                let remote = try pair.second.buffer(4096)
                let extra = try MemoryRegion(pair.first.domain, of: local, range: 8..<16, access: .localWrite)
                let channel = try CompletionChannel(pair.first.device)
                let reported = try CompletionQueue(pair.first.device, notification: .channel(channel))
                try pair.second.queuePair.post(ReceiveRequest(remote[...]))
                try pair.first.queuePair.post(.write(local[...], to: remote.remote))
                try pair.first.queuePair.post(.send(extra[...]))
                if Bool.random(using: &generator) { _ = try pair.first.completion() }
                for side in [pair.first, pair.second] {
                    objects += [side.device, side.domain, side.completions, side.queuePair] as [AnyObject]
                }
                objects += [local, remote, extra, channel, reported] as [AnyObject]
            }
            objects.shuffle(using: &generator)
            while !objects.isEmpty { objects.removeLast() }
            // Nothing is left over: the guest can be filled again.
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let local = try pair.first.buffer(8)
            let remote = try pair.second.buffer(8)
            try pair.first.queuePair.post(.write(local[...], to: remote.remote))
            #expect(try pair.first.completion().isSuccess, "seed \(seed)")
        }

        @Test func aBufferLivesUntilItsCompletionIsPolled() throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let target = try pair.second.buffer(8)
            var source: RegisteredBuffer? = try pair.first.buffer(8)
            source?.store(0x1122_3344_5566_7788 as UInt64)
            weak let region = source?.region
            if let element = source?[...] {
                try pair.first.queuePair.post(.write(element, to: target.remote))
            }
            source = nil
            #expect(region != nil)
            #expect(try pair.first.completion().isSuccess)
            #expect(region == nil)
            #expect(target.load(as: UInt64.self) == 0x1122_3344_5566_7788)
        }

        @Test func aReceiveBufferLivesUntilItsCompletionIsPolled() throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let source = try pair.first.buffer(8)
            var target: RegisteredBuffer? = try pair.second.buffer(8)
            weak let region = target?.region
            if let element = target?[...] { try pair.second.queuePair.post(ReceiveRequest(element)) }
            target = nil
            #expect(region != nil)
            try pair.first.queuePair.post(.send(source[...]))
            #expect(try pair.second.completion().isSuccess)
            #expect(region == nil)
        }

        @Test func unsignalledRequestsHoldUntilALaterCompletion() throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let target = try pair.second.buffer(8)
            let last = try pair.first.buffer(8)
            var early: RegisteredBuffer? = try pair.first.buffer(8)
            weak let region = early?.region
            if let element = early?[...] {
                try pair.first.queuePair.post(.write(element, to: target.remote, flags: []))
            }
            early = nil
            #expect(region != nil)
            try pair.first.queuePair.post(.write(last[...], to: target.remote))
            #expect(try pair.first.completion().isSuccess)
            #expect(region == nil)
        }

        @Test(arguments: ["reset", "release"]) func whatNeverCompletesIsReleased(how: String) throws {
            let installation = try Installation()
            let device = try installation.open("a")
            var side: Side? = try Side(device)
            try side?.queuePair.initialize()
            var buffer: RegisteredBuffer? = try side?.buffer(8)
            weak let region = buffer?.region
            if let element = buffer?[...] {
                for _ in 0..<5 { try side?.queuePair.post(ReceiveRequest(element)) }
            }
            buffer = nil
            #expect(region != nil)
            if how == "reset" { try side?.queuePair.modify(QueuePairAttributes(state: .reset)) } else { side = nil }
            #expect(region == nil)
        }

        /// Sixty regions under way at once, released in the middle of a poll.
        @Test func manyRegionsEndInOnePoll() throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let target = try pair.second.buffer(8)
            for _ in 0..<10 {
                for index in 0..<60 {
                    let source = try pair.first.buffer(8)
                    source.store(UInt64(index))
                    try pair.first.queuePair.post(
                        .write(source[...], to: target.remote, flags: index == 59 ? .signaled : []))
                }
                #expect(try pair.first.completion().isSuccess)
                #expect(target.load(as: UInt64.self) == 59)
            }
        }

        @Test func threadsShareAQueuePair() async throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let target = try pair.second.buffer(8)
            let queuePair = pair.first.queuePair
            let completions = pair.first.completions
            let domain = pair.first.domain
            let remote = target.remote
            let place = remote.advanced(by: 0)
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        var done = 0
                        for _ in 0..<500 {
                            let buffer = try RegisteredBuffer(domain, byteCount: 8)
                            try queuePair.post(.fetchAndAdd(into: buffer[...], at: place, add: 1))
                            let completion = try await completions.next()
                            #expect(completion.isSuccess)
                            done += 1
                        }
                        return done
                    }
                }
                var sum = 0
                for try await done in group { sum += done }
                #expect(sum == 2_000)
            }
            #expect(target.load(as: UInt64.self) == 2_000)
        }
    }
}

import Glibc
import Testing
import VRDMA

extension IntegrationTests {
    /// Completion channels of the application's own.
    @Suite struct ChannelTests {
        @Test func anEventForEachArming() throws {
            let installation = try Installation()
            let device = try installation.open("a")
            let channel = try CompletionChannel(device)
            let pair = try Pair(
                device, installation.open("a"), notification: .none)
            let queue = try CompletionQueue(device, notification: .channel(channel))
            let queuePair = try QueuePair(pair.first.domain, sendCompletionQueue: queue)
            let peer = try Side(device)
            try queuePair.connect(to: peer.queuePair.endpoint)
            try peer.queuePair.connect(to: queuePair.endpoint)
            let flags = fcntl(channel.descriptor, F_GETFL)
            #expect(fcntl(channel.descriptor, F_SETFL, flags | O_NONBLOCK) == 0)
            let none = #expect(throws: VerbsError.self) { try channel.nextEvent() }
            #expect(none?.code == .wouldBlock)
            let buffer = try pair.first.buffer(8)
            let target = try peer.buffer(8)
            for _ in 0..<20 {
                queue.arm()
                try queuePair.post(.write(buffer[...], to: target.remote))
                var ready = pollfd(fd: channel.descriptor, events: Int16(POLLIN), revents: 0)
                #expect(Glibc.poll(&ready, 1, 10_000) == 1)
                #expect(try channel.nextEvent() === queue)
                #expect(queue.poll()?.isSuccess == true)
                #expect(throws: VerbsError.self) { try channel.nextEvent() }
            }
        }

        @Test func aThreadThatBlocks() throws {
            let installation = try Installation()
            let device = try installation.open("a")
            let channel = try CompletionChannel(device)
            let first = try Side(device, notification: .channel(channel))
            let second = try Side(installation.open("b"))
            try first.queuePair.connect(to: second.queuePair.endpoint)
            try second.queuePair.connect(to: first.queuePair.endpoint)
            let buffer = try first.buffer(8)
            let source = try second.buffer(8)
            for identifier in 0..<100 as Range<UInt64> {
                try first.queuePair.post(ReceiveRequest(buffer[...], identifier: identifier))
                first.completions.arm()
                try second.queuePair.post(.send(source[...]))
                #expect(try channel.nextEvent() === first.completions)
                #expect(first.completions.poll()?.identifier == identifier)
                #expect(try second.completion().isSuccess)
            }
        }

        @Test func onlySolicitedCompletionsWakeThoseWhoWantThem() throws {
            let installation = try Installation()
            let device = try installation.open("a")
            let channel = try CompletionChannel(device)
            let flags = fcntl(channel.descriptor, F_GETFL)
            #expect(fcntl(channel.descriptor, F_SETFL, flags | O_NONBLOCK) == 0)
            let first = try Side(device, notification: .channel(channel))
            let second = try Side(installation.open("b"))
            try first.queuePair.connect(to: second.queuePair.endpoint)
            try second.queuePair.connect(to: first.queuePair.endpoint)
            let buffer = try first.buffer(8)
            let source = try second.buffer(8)
            try first.queuePair.post([ReceiveRequest(buffer[...]), ReceiveRequest(buffer[...])])
            try first.completions.arm(solicitedOnly: true)
            try second.queuePair.post(.send(source[...]))
            #expect(try first.completion().isSuccess)
            #expect(throws: VerbsError.self) { try channel.nextEvent() }
            try second.queuePair.post(.send(source[...], flags: [.signaled, .solicited]))
            #expect(try first.completion().isSuccess)
            try eventually("the event") { (try? channel.nextEvent()) != nil }
        }
    }
}

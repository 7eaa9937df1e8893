import Testing

@testable import VRDMA

extension IntegrationTests {
    /// Asynchronous events, and the end of the device.
    @Suite struct EventTests {
        @Test func anErrorOfAQueuePairIsAnEvent() async throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            #expect(try pair.second.device.takeEvent() == nil)
            let local = try pair.first.buffer(8)
            let remote = try pair.second.buffer(8, .localWrite)
            try pair.first.queuePair.post(.write(local[...], to: remote.remote))
            #expect(try pair.first.completion().status == .remoteAccessError)
            let event = try await pair.second.device.nextEvent()
            #expect(event.type == .queuePairAccessError)
            #expect(event.subject == .queuePair(pair.second.queuePair.number))
        }

        @Test func aCompletionQueueThatOverflowsIsAnEvent() async throws {
            let installation = try Installation()
            let device = try installation.open("a")
            let domain = try ProtectionDomain(device)
            let small = try CompletionQueue(device, capacity: 4)
            let queuePair = try QueuePair(domain, sendCompletionQueue: small)
            let peer = try Side(installation.open("b"))
            try queuePair.connect(to: peer.queuePair.endpoint)
            try peer.queuePair.connect(to: queuePair.endpoint)
            let buffer = try RegisteredBuffer(domain, byteCount: 8)
            let target = try peer.buffer(8)
            for _ in 0...small.capacity { try queuePair.post(.write(buffer[...], to: target.remote)) }
            var events: [AsyncEvent] = []
            for try await event in device.events {
                events.append(event)
                if events.count == 2 { break }
            }
            #expect(
                Set(events) == [
                    AsyncEvent(.completionQueueError, .completionQueue(small.identifier)),
                    AsyncEvent(.queuePairFatal, .queuePair(queuePair.number)),
                ])
        }

        @Test func waitingForEventsCanBeCancelled() async throws {
            let installation = try Installation()
            let device = try installation.open("a")
            let task = Task {
                var count = 0
                for try await _ in device.events { count += 1 }
                return count
            }
            for _ in 0..<50 { await Task.yield() }
            task.cancel()
            #expect(try await task.value == 0)
        }

        @Test(arguments: ["endpoint", "guest driver"]) func theEndOfTheDevice(what: String) async throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let buffer = try pair.first.buffer(8)
            try pair.first.queuePair.post(
                (0..<5).map { ReceiveRequest(buffer[...], identifier: UInt64($0)) })
            let events = Task { [device = pair.first.device] in
                var found: [AsyncEvent] = []
                for try await event in device.events { found.append(event) }
                return found
            }
            let completions = Task { [queue = pair.first.completions] () async -> [WorkCompletion] in
                var found: [WorkCompletion] = []
                do throws(VerbsError) {
                    for try await completion in queue.completions { found.append(completion) }
                } catch {
                    #expect(error.isDeviceGone)
                }
                return found
            }
            for _ in 0..<50 { await Task.yield() }
            if what == "endpoint" { installation.stopEndpoint() } else { installation.stopGuest("a") }
            let flushed = await completions.value
            #expect(flushed.map(\.identifier) == [0, 1, 2, 3, 4])
            #expect(flushed.allSatisfy { $0.status == .flushError })
            #expect(try await events.value.last == AsyncEvent(.deviceFatal, .device))
            #expect(pair.first.device.isGone)
            let error = #expect(throws: VerbsError.self) { try ProtectionDomain(pair.first.device) }
            #expect(error?.isDeviceGone == true)
            // Everything can still be released.
        }

        @Test func channelsOfADeviceThatEnds() throws {
            let installation = try Installation()
            let device = try installation.open("a")
            let channel = try CompletionChannel(device)
            let side = try Side(device, notification: .channel(channel))
            let peer = try Side(installation.open("b"))
            try side.queuePair.connect(to: peer.queuePair.endpoint)
            let buffer = try side.buffer(8)
            try side.queuePair.post(ReceiveRequest(buffer[...], identifier: 3))
            side.completions.arm()
            installation.stopEndpoint()
            #expect(try channel.nextEvent() === side.completions)
            #expect(try side.completion().status == .flushError)
            let error = #expect(throws: VerbsError.self) { try channel.nextEvent() }
            #expect(error?.isDeviceGone == true)
        }
    }
}

import Testing
import VRDMA

extension IntegrationTests {
    /// Requests that are refused when they are posted.
    @Suite struct PostingErrorTests {
        @Test func statesThatTakeNoRequests() throws {
            let installation = try Installation()
            let side = try Side(installation.open("a"))
            let buffer = try side.buffer(8)
            let send = #expect(throws: VerbsError.self) { try side.queuePair.post(.send(buffer[...])) }
            #expect(send?.code == .invalidArgument && send?.reason.contains("in state RESET") == true)
            let receive = #expect(throws: VerbsError.self) {
                try side.queuePair.post(ReceiveRequest(buffer[...]))
            }
            #expect(receive?.code == .invalidArgument && receive?.reason.contains("from INIT on") == true)
            try side.queuePair.initialize()
            try side.queuePair.post(ReceiveRequest(buffer[...]))
            #expect(throws: VerbsError.self) { try side.queuePair.post(.send(buffer[...])) }
        }

        @Test func fullQueuesNameTheirSize() throws {
            let installation = try Installation()
            let capabilities = QueuePair.Capabilities(maxSendRequests: 4, maxReceiveRequests: 4)
            let pair = try Pair(installation.open("a"), installation.open("b"), capabilities: capabilities)
            let buffer = try pair.first.buffer(8)
            let target = try pair.second.buffer(8)
            let requests = [WorkRequest](
                repeating: .write(buffer[...], to: target.remote), count: 10)
            let error = #expect(throws: VerbsError.self) { try pair.first.queuePair.post(requests) }
            #expect(error?.code == .outOfMemory && error?.postedCount == 4)
            #expect(error?.reason.contains("all 4 entries of the send queue") == true)
            for _ in 0..<4 { #expect(try pair.first.completion().isSuccess) }
            #expect(pair.first.completions.poll() == nil)
            try pair.first.queuePair.post(requests[0])
            #expect(try pair.first.completion().isSuccess)
            let receives = [ReceiveRequest](repeating: ReceiveRequest(buffer[...]), count: 6)
            let full = #expect(throws: VerbsError.self) { try pair.first.queuePair.post(receives) }
            #expect(full?.code == .outOfMemory && full?.postedCount == 4)
            #expect(full?.reason.contains("maxReceiveRequests") == true)
        }

        @Test func elementsAndInlineBytesHaveLimits() throws {
            let installation = try Installation()
            let capabilities = QueuePair.Capabilities(maxSendElements: 2, maxReceiveElements: 1, maxInlineBytes: 32)
            let pair = try Pair(installation.open("a"), installation.open("b"), capabilities: capabilities)
            let buffer = try pair.first.buffer(100)
            let element = buffer[0..<10]
            func failure(_ body: () throws -> Void) -> VerbsError? {
                #expect(throws: VerbsError.self) { try body() }
            }
            let queuePair = pair.first.queuePair
            let send = failure { try queuePair.post(.send([element, element, element])) }
            #expect(send?.reason.hasPrefix("the request has 3 elements, the queue pair room for 2") == true)
            let receive = failure { try queuePair.post(ReceiveRequest([element, element])) }
            #expect(receive?.reason.contains("maxReceiveElements") == true)
            let inline = failure { try queuePair.post(.send(buffer[0..<33], flags: .inline)) }
            #expect(inline?.reason.hasPrefix("the request has 33 bytes, the queue pair room for 32") == true)
            let bytes = [UInt8](repeating: 1, count: 33)
            #expect(failure { try queuePair.post(.send([]), inlining: bytes.span.bytes) }?.code == .invalidArgument)
            let read = failure { try queuePair.post(.read(into: element, from: buffer.remote, flags: .inline)) }
            #expect(read?.reason == "only SEND and WRITE can be inline")
            let outside = failure { try queuePair.post(.send(buffer[95..<105], flags: .inline)) }
            #expect(outside?.reason == "an element does not lie in its memory region")
            // The good ones before the bad one are posted.
            let list: [WorkRequest] = [
                .write(element, to: buffer.remote), .send([element, element, element]), .send(element),
            ]
            #expect(failure { try queuePair.post(list) }?.postedCount == 1)
        }
    }
}

import TestKit
import Testing
import VRDMA

extension IntegrationTests {
    /// Every operation, with all bytes compared, between two guests and within one.
    @Suite struct TransferTests {
        static let guests = [("a", "b"), ("a", "a")]
        static let sizes = [1, 7, 8, 64, 4095, 4096, 4097, 65_536, 1_048_577]

        @Test(arguments: guests) func send(guests: (String, String)) throws {
            let installation = try Installation()
            let pair = try Pair(installation.open(guests.0), installation.open(guests.1))
            var generator = SeededGenerator(seed: 21)
            for (index, size) in Self.sizes.enumerated() {
                let source = try pair.first.buffer(size)
                let target = try pair.second.buffer(size)
                source.fill(&generator)
                try pair.second.queuePair.post(ReceiveRequest(target[...], identifier: UInt64(index)))
                let immediate: UInt32? = index % 2 == 0 ? nil : 0x0102_0304
                try pair.first.queuePair.post(.send(source[...], immediate: immediate, identifier: 1000))
                let sent = try pair.first.completion()
                #expect(sent.status == .success && sent.identifier == 1000 && sent.opcode == .send)
                #expect(sent.queuePairNumber == pair.first.queuePair.number)
                let received = try pair.second.completion()
                #expect(received.isSuccess && received.isReceive && received.opcode == .receive)
                #expect(received.identifier == UInt64(index) && received.byteCount == UInt32(size))
                #expect(received.immediate == immediate)
                #expect(received.queuePairNumber == pair.second.queuePair.number)
                #expect(received.sourceQueuePairNumber == pair.first.queuePair.number)
                #expect(source.bytes == target.bytes, "size \(size), seed 21")
            }
        }

        @Test(arguments: guests) func writeAndRead(guests: (String, String)) throws {
            let installation = try Installation()
            let pair = try Pair(installation.open(guests.0), installation.open(guests.1))
            var generator = SeededGenerator(seed: 22)
            for size in Self.sizes {
                let source = try pair.first.buffer(size)
                let target = try pair.second.buffer(size)
                let back = try pair.first.buffer(size)
                source.fill(&generator)
                try pair.first.queuePair.post(.write(source[...], to: target.remote, identifier: 5))
                let written = try pair.first.completion()
                #expect(written.isSuccess && written.opcode == .rdmaWrite && written.identifier == 5)
                #expect(source.bytes == target.bytes, "size \(size), seed 22")
                #expect(target.loadAcquiring(byteAt: size - 1) == source.bytes[size - 1])
                try pair.first.queuePair.post(.read(into: back[...], from: target.remote, identifier: 6))
                let read = try pair.first.completion()
                #expect(read.isSuccess && read.opcode == .rdmaRead && read.byteCount == UInt32(size))
                #expect(source.bytes == back.bytes, "size \(size), seed 22")
            }
            #expect(pair.second.completions.poll() == nil)
        }

        @Test func writeWithImmediateTakesAReceiveRequest() throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            var generator = SeededGenerator(seed: 23)
            let source = try pair.first.buffer(100)
            let target = try pair.second.buffer(100)
            source.fill(&generator)
            try pair.second.queuePair.post(ReceiveRequest([], identifier: 9))
            try pair.first.queuePair.post(.write(source[...], to: target.remote, immediate: 77))
            let received = try pair.second.completion()
            #expect(received.isSuccess && received.opcode == .receiveRDMAWithImmediate && received.identifier == 9)
            #expect(received.immediate == 77 && received.byteCount == 100)
            #expect(source.bytes == target.bytes, "seed 23")
            #expect(try pair.first.completion().isSuccess)
        }

        @Test func atomics() throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let result = try pair.first.buffer(16)
            let word = try pair.second.buffer(64)
            word.store(40 as UInt64, toByteOffset: 8)
            let place = word.remote.advanced(by: 8)
            try pair.first.queuePair.post(.fetchAndAdd(into: result[0..<8], at: place, add: 2))
            let added = try pair.first.completion()
            #expect(added.isSuccess && added.opcode == .fetchAndAdd)
            #expect(result.load(as: UInt64.self) == 40 && word.loadAcquiring(wordAt: 8) == 42)
            try pair.first.queuePair.post(.compareAndSwap(into: result[8..<16], at: place, compare: 41, swap: 1))
            #expect(try pair.first.completion().opcode == .compareAndSwap)
            #expect(result.load(fromByteOffset: 8, as: UInt64.self) == 42 && word.loadAcquiring(wordAt: 8) == 42)
            try pair.first.queuePair.post(.compareAndSwap(into: result[8..<16], at: place, compare: 42, swap: 7))
            #expect(try pair.first.completion().isSuccess)
            #expect(word.loadAcquiring(wordAt: 8) == 7)
        }

        @Test func scatterAndGather() throws {
            let installation = try Installation()
            let capabilities = QueuePair.Capabilities(maxSendElements: 32, maxReceiveElements: 32)
            let pair = try Pair(installation.open("a"), installation.open("b"), capabilities: capabilities)
            var generator = SeededGenerator(seed: 24)
            for count in [2, 3, 31, 32] {
                let sources = try (0..<count).map { _ in
                    try pair.first.buffer(Int.random(in: 1...3000, using: &generator))
                }
                for source in sources { source.fill(&generator) }
                let expected = sources.flatMap(\.bytes)
                let targets = try (0..<count).map { _ in try pair.second.buffer(3000) }
                try pair.second.queuePair.post(
                    ReceiveRequest(ScatterGatherList(targets.map { $0[0..<3000] }), identifier: 1))
                try pair.first.queuePair.post(.send(ScatterGatherList(sources.map { $0[...] })))
                #expect(try pair.second.completion().byteCount == UInt32(expected.count))
                #expect(try pair.first.completion().isSuccess)
                #expect(Array(targets.flatMap(\.bytes).prefix(expected.count)) == expected, "seed 24")
                let whole = try pair.second.buffer(expected.count)
                try pair.first.queuePair.post(
                    .write(ScatterGatherList(sources.map { $0[...] }), to: whole.remote))
                #expect(try pair.first.completion().isSuccess)
                #expect(whole.bytes == expected, "seed 24")
            }
        }

        @Test func inline() throws {
            let installation = try Installation()
            let capabilities = QueuePair.Capabilities(maxSendElements: 2, maxInlineBytes: 200)
            let pair = try Pair(installation.open("a"), installation.open("b"), capabilities: capabilities)
            var generator = SeededGenerator(seed: 25)
            let source = try pair.first.buffer(200)
            let target = try pair.second.buffer(200)
            for size in [0, 1, 17, 199, 200] {
                source.fill(&generator)
                let expected = Array(source.bytes.prefix(size))
                let half = size / 2
                // Taken when it is posted: what happens to the memory afterwards does not matter.
                try pair.first.queuePair.post(
                    .write([source[0..<half], source[half..<size]], to: target.remote, flags: [.inline, .signaled]))
                source.fill(&generator)
                #expect(try pair.first.completion().isSuccess)
                #expect(Array(target.bytes.prefix(size)) == expected, "size \(size), seed 25")
            }
            let text = Array("from anywhere".utf8)
            try pair.second.queuePair.post(ReceiveRequest(target[...]))
            try pair.first.queuePair.post(.send([]), inlining: text.span.bytes)
            #expect(try pair.second.completion().byteCount == UInt32(text.count))
            #expect(try pair.first.completion().isSuccess)
            #expect(Array(target.bytes.prefix(text.count)) == text)
        }

        @Test func noBytesAtAll() throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let target = try pair.second.buffer(8)
            try pair.second.queuePair.post(ReceiveRequest([]))
            try pair.first.queuePair.post(.send([], immediate: 3))
            let received = try pair.second.completion()
            #expect(received.byteCount == 0 && received.immediate == 3)
            #expect(try pair.first.completion().isSuccess)
            try pair.first.queuePair.post(.write([], to: target.remote))
            #expect(try pair.first.completion().isSuccess)
            try pair.first.queuePair.post(.read(into: [], from: target.remote))
            #expect(try pair.first.completion().isSuccess)
        }

        @Test func queuePairsThatReceiveNothing() throws {
            let installation = try Installation()
            let capabilities = QueuePair.Capabilities(maxReceiveRequests: 0)
            let pair = try Pair(installation.open("a"), installation.open("b"), capabilities: capabilities)
            let source = try pair.first.buffer(8)
            let target = try pair.second.buffer(8)
            source.store(7 as UInt64)
            try pair.first.queuePair.post(.write(source[...], to: target.remote))
            #expect(try pair.first.completion().isSuccess)
            #expect(target.load(as: UInt64.self) == 7)
            let error = #expect(throws: VerbsError.self) {
                try pair.first.queuePair.post(ReceiveRequest(source[...]))
            }
            #expect(error?.code == .outOfMemory)
        }

        @Test func zeroBasedAndOtherAddresses() throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            var generator = SeededGenerator(seed: 26)
            let source = try pair.first.buffer(4096)
            let target = try pair.second.buffer(8192)
            source.fill(&generator)
            let zeroBased = try MemoryRegion(
                pair.second.domain, of: target, range: 4096..<8192, access: [.localWrite, .remoteWrite, .zeroBased])
            let elsewhere = try MemoryRegion(
                pair.second.domain, of: target, range: 0..<4096, access: [.localWrite, .remoteWrite],
                address: 0x1234_5000)
            #expect(zeroBased.address == 0 && elsewhere.address == 0x1234_5000)
            try pair.first.queuePair.post(.write(source[0..<100], to: zeroBased.remote.advanced(by: 50)))
            try pair.first.queuePair.post(.write(source[100..<200], to: elsewhere.remote.advanced(by: 10)))
            #expect(try pair.first.completion().isSuccess)
            #expect(try pair.first.completion().isSuccess)
            #expect(Array(target.bytes[4146..<4246]) == Array(source.bytes[0..<100]), "seed 26")
            #expect(Array(target.bytes[10..<110]) == Array(source.bytes[100..<200]), "seed 26")
        }

        @Test func memoryOfTheApplication() throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            var generator = SeededGenerator(seed: 27)
            let source = try pair.first.buffer(10_000)
            source.fill(&generator)
            // Neither aligned nor of whole pages.
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 20_000, alignment: 16)
            defer { memory.deallocate() }
            let part = UnsafeMutableRawBufferPointer(rebasing: memory[4321..<14_321])
            let region = try MemoryRegion(
                pair.second.domain, unsafeMemory: part, access: [.localWrite, .remoteWrite, .remoteRead])
            try pair.first.queuePair.post(.write(source[...], to: region.remote))
            #expect(try pair.first.completion().isSuccess)
            #expect(Array(part) == source.bytes, "seed 27")
            part.copyBytes(from: source.bytes.reversed())
            let back = try pair.first.buffer(10_000)
            try pair.first.queuePair.post(.read(into: back[...], from: region.remote))
            #expect(try pair.first.completion().isSuccess)
            #expect(back.bytes == source.bytes.reversed(), "seed 27")
        }
    }
}

import Glibc
import Testing
import VRDMA

/// Every block of Swift in docs/swift-client.md stands, line by line, in a source file that is compiled.
@Suite struct DocumentTextTests {
    private static let root = #filePath.split(separator: "/").dropLast(4).reduce("") { "\($0)/\($1)" }

    private static func lines(_ path: String) throws -> [String] {
        let file = try #require(fopen("\(root)/\(path)", "r"), "\(path) is missing")
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer.prefix(count) }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
            .map { line in String(line.drop { $0 == " " }) }
    }

    @Test func everyBlockIsCompiled() throws {
        let sources = [
            "Tests/VRDMATests/Documentation/WorkedExamples.swift", "Examples/SendReceive/Client.swift",
            "Examples/WriteRead/Connection.swift",
        ]
        let code = try sources.flatMap { try Self.lines($0) }
        var block: [String]?
        var count = 0
        for line in try Self.lines("docs/swift-client.md") {
            if let open = block {
                guard line == "```" else {
                    block = open + [line]
                    continue
                }
                let isThere = code.indices.contains { code[$0...].starts(with: open) }
                #expect(isThere, "no source has this block:\n\(open.joined(separator: "\n"))")
                count += 1
                block = nil
            } else if line == "```swift" {
                block = []
            }
        }
        #expect(count >= 5)
    }
}

extension IntegrationTests {
    @Suite struct WorkedExampleTests {
        /// What two sides give each other; each waits for the other.
        private actor Meeting<Value: Sendable> {
            private var given: [Int: Value] = [:]

            func exchange(_ side: Int, _ value: Value) async -> Value {
                given[side] = value
                while true {
                    if let other = given[1 - side] { return other }
                    await Task.yield()
                }
            }
        }

        @Test func sendAndReceive() async throws {
            let installation = try Installation()
            let devices = try [installation.open("a"), installation.open("b")]
            let endpoints = Meeting<QueuePair.Endpoint>()
            let steps = [Meeting<Bool>(), Meeting<Bool>()]
            let received = try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
                for side in 0..<2 {
                    group.addTask {
                        var step = 0
                        let text = try await WorkedExamples.sendAndReceive(
                            devices[side], { await endpoints.exchange(side, $0) },
                            meet: {
                                _ = await steps[step].exchange(side, true)
                                step += 1
                            })
                        return (side, text)
                    }
                }
                var found: [Int: [UInt8]] = [:]
                for try await (side, text) in group { found[side] = text }
                return found
            }
            #expect(received[0] == Array("hello from b".utf8))
            #expect(received[1] == Array("hello from a".utf8))
        }

        @Test func oneSided() throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let local = try pair.first.buffer(64)
            let target = try pair.second.buffer(64)
            try WorkedExamples.writeAndRead(pair.first.queuePair, local, target.remote)
            #expect(local.load(fromByteOffset: 8, as: UInt64.self) == 42)
            #expect(local.load(fromByteOffset: 16, as: UInt64.self) == 42)
            #expect(target.load(as: UInt64.self) == 43)
            try WorkedExamples.stream(pair.first.queuePair, local, target.remote)
            #expect(target.bytes == local.bytes)
            #expect(try !WorkedExamples.full(pair.first.queuePair, .write(local[...], to: target.remote)))
            #expect(try pair.first.completion().isSuccess)
        }

        @Test func theRest() async throws {
            let installation = try Installation()
            let device = try installation.open("a")
            let domain = try ProtectionDomain(device)
            let completions = try WorkedExamples.blockingThread(device, domain)
            let channel = try #require(completions.channel)
            let queuePair = try QueuePair(domain, sendCompletionQueue: completions)
            let peer = try Side(installation.open("b"))
            try queuePair.connect(to: peer.queuePair.endpoint)
            try peer.queuePair.connect(to: queuePair.endpoint)
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 100, alignment: 1)
            defer { memory.deallocate() }
            memory.initializeMemory(as: UInt8.self, repeating: 7)
            let target = try peer.buffer(100)
            do {
                let region = try WorkedExamples.ownMemory(domain, memory)
                try queuePair.post(.write(region[...], to: target.remote))
                #expect(try WorkedExamples.nextBlocking(completions, channel).isSuccess)
            }
            #expect(target.bytes == [UInt8](repeating: 7, count: 100))
            let watching = Task { try await WorkedExamples.watch(device) }
            installation.stopEndpoint()
            #expect(try await watching.value?.subject == .device)
        }
    }
}

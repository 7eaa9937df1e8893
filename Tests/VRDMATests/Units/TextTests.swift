import TestKit
import Testing
import VRDMA

@Suite struct TextTests {
    @Test(arguments: [1, 2, 3] as [UInt64]) func endpointsSurviveTheirText(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let address =
                Bool.random(using: &generator)
                ? GID(ipv4: .random(in: 0...UInt32.max, using: &generator))
                : GID(upper: generator.next(), lower: generator.next())
            let endpoint = QueuePair.Endpoint(
                address: address, number: QueuePairNumber(rawValue: .random(in: 0...0xff_ffff, using: &generator)),
                psn: PacketSequenceNumber(rawValue: .random(in: 0...0xff_ffff, using: &generator)))
            #expect(QueuePair.Endpoint(endpoint.description) == endpoint, "seed \(seed)")
            let memory = RemoteMemory(
                address: generator.next(), key: MemoryKey(rawValue: .random(in: 0...UInt32.max, using: &generator)))
            #expect(RemoteMemory(memory.description) == memory, "seed \(seed)")
        }
    }

    @Test(arguments: [
        "", "/", "10.0.0.1/1", "10.0.0.1/1/2/3", "10.0.0/1/2", "10.0.0.1/16777216/0", "10.0.0.1/0/16777216",
        "10.0.0.1/-1/0", "10.0.0.1//", "x/1/2",
    ])
    func nothingElseIsAnEndpoint(text: String) {
        #expect(QueuePair.Endpoint(text) == nil)
    }

    @Test(arguments: ["", "@", "1@", "@1", "100000000@0", "1@10000000000000000", "1@2@3", "g@1", "1 @2"])
    func nothingElseIsRemoteMemory(text: String) {
        #expect(RemoteMemory(text) == nil)
    }

    @Test func remoteMemoryWraps() {
        let memory = RemoteMemory(address: .max, key: MemoryKey(rawValue: 1))
        #expect(memory.advanced(by: 2).address == 1)
        #expect(memory.advanced(by: 2).advanced(by: -2) == memory)
    }
}

import Testing

@testable import VerbsAdapter

struct RequestIdentifierTests {
    @Test func everyPartComesBack() {
        for queuePair in [0, 1, 65535, UInt32(RequestIdentifier.maximumQueuePairs - 1)] {
            for generation in [0, 1, RequestIdentifier.generationMask] {
                for index in [0, 1, UInt32.max] {
                    for isReceive in [false, true] {
                        let identifier = RequestIdentifier(
                            rawValue: RequestIdentifier(
                                queuePair: queuePair, generation: generation, isReceive: isReceive, index: index
                            ).rawValue)
                        #expect(identifier.queuePair == queuePair)
                        #expect(identifier.generation == generation)
                        #expect(identifier.isReceive == isReceive)
                        #expect(identifier.index == index)
                    }
                }
            }
        }
    }
}

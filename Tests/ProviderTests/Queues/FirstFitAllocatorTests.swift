import TestKit
import Testing

@testable import Provider

@Suite struct FirstFitAllocatorTests {
    @Test func startsAndEndsOnItsAlignment() {
        var allocator = FirstFitAllocator(offset: 100, sizeBytes: 1000, alignmentBytes: 64)
        #expect(allocator.freeBytes == 1088 - 128)
        #expect(allocator.allocate(sizeBytes: 1) == 128)
        #expect(allocator.allocate(sizeBytes: 65) == 192)
        #expect(allocator.allocate(sizeBytes: 64) == 320)
        #expect(allocator.allocate(sizeBytes: 0) == nil)
    }

    @Test func neighboursBecomeOneAgain() {
        var allocator = FirstFitAllocator(sizeBytes: 4096, alignmentBytes: 64)
        let offsets = (0..<4).compactMap { _ in allocator.allocate(sizeBytes: 1024) }
        #expect(offsets == [0, 1024, 2048, 3072])
        #expect(allocator.allocate(sizeBytes: 1) == nil)
        for index in [0, 2, 1, 3] { allocator.release(offset: offsets[index], sizeBytes: 1024) }
        #expect(allocator.allocate(sizeBytes: 4096) == 0)
    }

    @Test func nothingOverlapsAndNothingIsLost() {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(seed: seed)
        let total = 1 << 16
        var allocator = FirstFitAllocator(sizeBytes: total, alignmentBytes: 64)
        var taken: [(offset: Int, sizeBytes: Int)] = []
        for _ in 0..<5000 {
            if Bool.random(using: &generator), let index = taken.indices.randomElement(using: &generator) {
                let piece = taken.remove(at: index)
                allocator.release(offset: piece.offset, sizeBytes: piece.sizeBytes)
            } else {
                let size = Int.random(in: 1...3000, using: &generator)
                guard let offset = allocator.allocate(sizeBytes: size) else { continue }
                #expect(offset % 64 == 0 && offset + size <= total, "seed \(seed)")
                let overlaps = taken.contains { offset < $0.offset + $0.sizeBytes && $0.offset < offset + size }
                #expect(!overlaps, "seed \(seed)")
                taken.append((offset, size))
            }
        }
        for piece in taken { allocator.release(offset: piece.offset, sizeBytes: piece.sizeBytes) }
        #expect(allocator.freeBytes == total, "seed \(seed)")
        #expect(allocator.allocate(sizeBytes: total) == 0, "seed \(seed)")
    }
}

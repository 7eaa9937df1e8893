import CLinux
import Glibc
import Synchronization
import TestKit
import Testing

/// The copy behind every transfer: the right bytes, and in an order that whoever polls can rely on.
struct CopyTests {
    /// Every alignment of both sides, every short length, overlaps among them, against memmove(3).
    @Test func bytes() {
        var generator = SeededGenerator(seed: 1)
        let (found, expected) = (
            UnsafeMutableRawPointer.allocate(byteCount: 256, alignment: 64),
            UnsafeMutableRawPointer.allocate(byteCount: 256, alignment: 64)
        )
        defer {
            found.deallocate()
            expected.deallocate()
        }
        var differences = 0
        for length in 0...72 {
            let content = generator.bytes(256)
            for destination in 0..<16 {
                for source in 0..<32 {
                    found.copyMemory(from: content, byteCount: 256)
                    expected.copyMemory(from: content, byteCount: 256)
                    clinux_copy_last_byte_last(found + destination, found + source, length)
                    memmove(expected + destination, expected + source, length)
                    if memcmp(found, expected, 256) != 0 { differences += 1 }
                }
            }
        }
        #expect(differences == 0)
    }

    /// Where two threads meet: a word that one writes and the other reads.
    private final class Shared: @unchecked Sendable {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 192, alignment: 64)
        let isDone = Atomic(false)
        /// The number that the other thread has seen.
        let seen = Atomic<UInt8>(0)

        init() { memory.initializeMemory(as: UInt8.self, repeating: 0, count: 192) }

        deinit { memory.deallocate() }
    }

    /// Runs `write` on a thread of its own, some thousand times with numbers of 1 to 255, and `look` meanwhile.
    private func race(write: @escaping @Sendable (Shared, UInt8) -> Void, look: (Shared) -> Bool) -> Int {
        let shared = Shared()
        var thread = pthread_t()
        let work = Unmanaged.passRetained(Writer(shared: shared, write: write))
        pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Writer>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, work.toOpaque())
        var mistakes = 0
        while !shared.isDone.load(ordering: .acquiring) {
            if !look(shared) { mistakes += 1 }
            sched_yield()
        }
        pthread_join(thread, nil)
        return mistakes
    }

    private final class Writer {
        let shared: Shared
        let write: @Sendable (Shared, UInt8) -> Void

        init(shared: Shared, write: @escaping @Sendable (Shared, UInt8) -> Void) {
            self.shared = shared
            self.write = write
        }

        func run() {
            for number in 0..<20_000 { write(shared, UInt8(1 + number % 255)) }
            shared.isDone.store(true, ordering: .releasing)
        }
    }

    private static func store(_ shared: Shared, _ value: UInt8, at offset: Int, _ count: Int) {
        withUnsafeTemporaryAllocation(byteCount: count, alignment: 8) { bytes in
            for index in bytes.indices { bytes[index] = value }
            clinux_copy_last_byte_last(shared.memory + offset, bytes.baseAddress, count)
        }
    }

    /// An aligned word is never seen half written.
    @Test func wordsAppearAtOnce() {
        let mistakes = race {
            Self.store($0, $1, at: 8, 8)
        } look: { shared in
            let word = clinux_load_relaxed64(shared.memory + 8)
            return word == (word & 0xff) &* 0x0101_0101_0101_0101
        }
        #expect(mistakes == 0)
    }

    /// Whoever sees the last byte sees all, also where the end lies across a cache line. The writer waits until each
    /// number was seen.
    @Test(arguments: [(60, 8), (61, 7), (0, 67), (3, 62), (8, 100)])
    func lastByteLast(offset: Int, count: Int) {
        var awaited: UInt8 = 1
        let mistakes = race { shared, number in
            Self.store(shared, number, at: offset, count)
            while shared.seen.load(ordering: .acquiring) != number { sched_yield() }
        } look: { shared in
            guard Self.byte(shared, offset + count - 1) == awaited else { return true }
            let isWhole = (offset..<offset + count).allSatisfy { Self.byte(shared, $0) == awaited }
            shared.seen.store(awaited, ordering: .releasing)
            awaited = awaited == 255 ? 1 : awaited + 1
            return isWhole
        }
        #expect(mistakes == 0)
    }

    private static func byte(_ shared: Shared, _ offset: Int) -> UInt8 {
        let word = clinux_load_acquire32(shared.memory + offset / 4 * 4)
        return UInt8(truncatingIfNeeded: word >> (8 * UInt32(offset % 4)))
    }
}

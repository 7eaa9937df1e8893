import CLinux
import Glibc
import Testing
import Verbs

@testable import Provider

/// Adoption beside what an application does with its memory otherwise: other threads, unmapping, moving, forking.
@Suite(.serialized) struct AdoptionHazardTests {
    private let engine = AdoptionEngine.shared

    private func pin(_ memory: PrivateMemory) throws -> MemoryPin {
        try engine.pin(address: memory.address, lengthBytes: UInt64(memory.byteCount), needsWrite: true)
    }

    @Test(.enabled(if: clinux_can_protect_writes(), "userfaultfd is not permitted here"))
    func noWriteOfAnotherThreadIsLost() throws {
        // One of its own, which counts only what happens here.
        let engine = AdoptionEngine()
        for round in 0..<20 {
            // The largest is moved in more than one step.
            let memory = PrivateMemory(pages: round == 0 ? 3000 : 64)
            let words = memory.base.assumingMemoryBound(to: UInt64.self)
            let stride = 4096 / 8
            let counts = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
            counts.initialize(to: 0)
            let pageCount = memory.pageCount
            let writer = Repeater {
                let count = clinux_load_relaxed64(counts)
                let word = words + Int(count % UInt64(pageCount)) * stride
                word.pointee = word.pointee &+ 1
                clinux_store_relaxed64(counts, count &+ 1)
            }
            while clinux_load_relaxed64(counts) < 10_000 { sched_yield() }
            let pin = try engine.pin(
                address: memory.address, lengthBytes: UInt64(memory.byteCount), needsWrite: true)
            let atAdoption = clinux_load_relaxed64(counts)
            while clinux_load_relaxed64(counts) < atAdoption + 10_000 { sched_yield() }
            writer.stop()
            let sum = (0..<pageCount).reduce(0) { $0 + words[$1 * stride] }
            #expect(sum == counts.pointee, "round \(round)")
            #expect(try EndpointView(pin).bytes.count == memory.byteCount)
            engine.unpin(pin)
            counts.deallocate()
        }
        #expect(engine.unprotectedPieces == 0)
    }

    @Test func memoryMappedAnewAtTheSamePlaceIsFoundAnew() throws {
        let memory = PrivateMemory(pages: 20)
        memory.fill(salt: 1)
        let old = try pin(memory)
        let oldView = try EndpointView(old)
        memory.mapAgain(page: 5, count: 10)
        let new = try pin(memory)
        let view = try EndpointView(new)
        for page in 0..<20 {
            let isNew = (5..<15).contains(page)
            #expect(view.bytes[page * 4096] == (isNew ? 0 : PrivateMemory.pattern(page * 4096, 1)))
        }
        // The old region still shows the old memory, which nothing else uses.
        ForkGuard.mutex.withLock { engine.sweep() }
        view.write(0x55, at: 6 * 4096)
        #expect(memory.base.load(fromByteOffset: 6 * 4096, as: UInt8.self) == 0x55)
        #expect(oldView.bytes[6 * 4096] == PrivateMemory.pattern(6 * 4096, 1))
        engine.unpin(old)
        engine.unpin(new)
    }

    @Test func reallocOfAdoptedBlocksTakesNobodysPages() throws {
        // A neighbour in the file on each side of the block that grows.
        let neighbours = [PrivateMemory(pages: 8), PrivateMemory(pages: 8)]
        neighbours[0].fill(salt: 1)
        var pins = [try pin(neighbours[0])]
        let sizes = [132 << 10, 1 << 20, 20 << 20]
        var blocks: [UnsafeMutableRawPointer] = []
        for size in sizes {
            let block = try #require(malloc(size))
            memset(block, 0x11, size)
            let pin = try engine.pin(address: UInt(bitPattern: block), lengthBytes: UInt64(size), needsWrite: true)
            engine.unpin(pin)
            blocks.append(block)
        }
        neighbours[1].fill(salt: 2)
        pins.append(try pin(neighbours[1]))
        for (index, size) in sizes.enumerated() {
            let grown = try #require(realloc(blocks[index], 4 * size))
            let kept = UnsafeRawBufferPointer(start: grown, count: size)
            #expect(kept.allSatisfy { $0 == 0x11 })
            memset(grown + size, 0x22, 3 * size)
            blocks[index] = grown
        }
        #expect(neighbours[0].isFilled(salt: 1))
        #expect(neighbours[1].isFilled(salt: 2))
        for block in blocks { free(block) }
        for pin in pins { engine.unpin(pin) }
    }

    @Test func movedMemoryIsFoundWhereItIs() throws {
        let memory = PrivateMemory(pages: 4)
        memory.fill(salt: 7)
        engine.unpin(try pin(memory))
        let target = PrivateMemory(pages: 4)
        // The body, which is one mapping.
        let moved = clinux_move(memory.base, 3 * 4096, target.base)
        #expect(moved == 0)
        let pin = try pin(target)
        let expected = (0..<3 * 4096).map { PrivateMemory.pattern($0, 7) }
        #expect(try Array(EndpointView(pin).bytes.prefix(3 * 4096)) == expected)
        engine.unpin(pin)
    }

    @Test func aChildHasMemoryOfItsOwn() throws {
        let memory = PrivateMemory(pages: 40)
        memory.fill(salt: 3)
        memory.protect(page: 39, PROT_READ)
        let pin = try engine.pin(
            address: memory.address, lengthBytes: UInt64(memory.byteCount), needsWrite: false)
        #expect(memory.isFilled(salt: 3))
        #expect(Self.protectionIfPrivate(memory) == nil)
        let result = inChild {
            guard memory.isFilled(salt: 3) else { return 1 }
            memset(memory.base, 0xff, 39 * 4096)
            return Self.protectionIfPrivate(memory) == PROT_READ ? 0 : 2
        }
        #expect(result == 0)
        #expect(memory.isFilled(salt: 3))
        #expect(try EndpointView(pin).bytes == (0..<memory.byteCount).map { PrivateMemory.pattern($0, 3) })
        engine.unpin(pin)
    }

    /// The protection of the last page; nil when a page is shared.
    private static func protectionIfPrivate(_ memory: PrivateMemory) -> Int32? {
        let start = UInt64(memory.address)
        return withUnsafeTemporaryAllocation(of: clinux_mapping.self, capacity: 16) { mapped in
            let count = clinux_mappings(start, start + UInt64(memory.byteCount), false, mapped.baseAddress, 16)
            guard count > 0, mapped[..<count].allSatisfy({ !$0.is_shared }) else { return nil }
            return mapped[count - 1].protection
        }
    }

    @Test func aChildSeesNothingThatItsParentWritesLater() throws {
        let memory = PrivateMemory(pages: 16)
        memory.fill(salt: 4)
        let pin = try pin(memory)
        var toChild: [Int32] = [-1, -1]
        #expect(pipe(&toChild) == 0)
        #expect(memory.isFilled(salt: 4))
        let child = clinux_fork()
        if child == 0 {
            alarm(20)
            close(toChild[1])
            var byte: UInt8 = 0
            // The end of the pipe says that the parent has written.
            while read(toChild[0], &byte, 1) < 0, errno == EINTR {}
            _exit(memory.isFilled(salt: 4) ? 0 : 1)
        }
        memset(memory.base, 0, memory.byteCount)
        close(toChild[1])
        var status: Int32 = 0
        #expect(waitpid(child, &status, 0) == child)
        #expect(status == 0)
        close(toChild[0])
        engine.unpin(pin)
    }
}

import CVRDMAABI
import Testing

@testable import Provider

@Suite struct SlotDirectoryTests {
    private struct Thing: QueueObject {
        var number: UInt32
        func deallocate() {}
    }

    @Test(arguments: [0, 1, 511, 512, 513, 65535, VRDMA_DOORBELL_SLOTS - 1])
    func everySlotCanBeUsed(slot: UInt32) {
        let directory = SlotDirectory<Thing>()
        defer { directory.deallocate() }
        let thing = UnsafeMutablePointer<Thing>.allocate(capacity: 1)
        thing.initialize(to: Thing(number: slot))
        #expect(directory.lookup(slot) == nil)
        directory.set(slot, thing)
        #expect(directory.lookup(slot)?.pointee.number == slot)
        #expect(directory.lookup(slot ^ 1) == nil)
    }

    @Test func otherNumbersAreNobodys() {
        let directory = SlotDirectory<Thing>()
        defer { directory.deallocate() }
        for slot in [VRDMA_DOORBELL_SLOTS, .max, 1 << 31] {
            directory.set(slot, nil)
            #expect(directory.lookup(slot) == nil)
        }
    }

    @Test func numbersAreUsedAgain() {
        var slots = SlotAllocator()
        #expect((0..<3).map { _ in slots.allocate(limit: 3) } == [0, 1, 2])
        #expect(slots.allocate(limit: 3) == nil)
        slots.release(1)
        #expect(slots.allocate(limit: 3) == 1)
        #expect(slots.bound == 3)
    }
}

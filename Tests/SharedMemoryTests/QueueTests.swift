import CVRDMAABI
import SharedMemory
import Testing

/// Work queues and completion rings as views of memory: their bounds, and where their entries lie.
struct QueueTests {
    private let mapping: Mapping

    init() throws {
        mapping = try Mapping(name: "vrdma-test", sizeBytes: 1 << 16)
    }

    @Test func workQueueShapes() {
        #expect(WorkQueue(mapping, offset: 0, entryCount: 16, strideBytes: 64) != nil)
        #expect(WorkQueue(mapping, offset: 64, entryCount: 1, strideBytes: 16) != nil)
        let fitting = UInt64(1 << 16) - WorkQueue.sizeBytes(entryCount: 16, strideBytes: 64)
        #expect(WorkQueue(mapping, offset: fitting, entryCount: 16, strideBytes: 64) != nil)
        let wrong: [(UInt64, UInt32, UInt32)] = [
            (0, 0, 64), (0, 3, 64), (0, 16, 0), (0, 16, 24), (8, 16, 64), (fitting + 64, 16, 64), (1 << 16, 1, 64),
            (.max - 63, 1, 64), (0, 1 << 31, 64), (0, 16, 0xffff_fff0), (0, 1 << 31, 0xffff_fff0),
        ]
        for (offset, entries, stride) in wrong {
            #expect(WorkQueue(mapping, offset: offset, entryCount: entries, strideBytes: stride) == nil)
        }
    }

    @Test func workQueueEntries() throws {
        let queue = try #require(WorkQueue(mapping, offset: 128, entryCount: 8, strideBytes: 128))
        for index in [UInt32(0), 7, 8, 0xffff_ffff] {
            let expected = 128 + 256 + Int(index & 7) * 128
            #expect(queue.entry(index) == mapping.base + expected)
            #expect(queue.inlineDataAddress(index) == UInt(bitPattern: mapping.base + expected + 48))
        }
        var entry = vrdma_send_wqe()
        (entry.wr_id, entry.opcode, entry.sge_count) = (5, 2, 3)
        queue.entry(9).storeBytes(of: entry, as: vrdma_send_wqe.self)
        #expect(queue.sendEntry(1).wr_id == 5)
        #expect((queue.sendEntry(9).opcode, queue.sendEntry(9).sge_count) == (2, 3))
        (queue.entry(9) + 48 + 32).storeBytes(
            of: vrdma_sge(address: 1, length: 2, lkey: 3), as: vrdma_sge.self)
        #expect((queue.sendElement(9, 2).address, queue.sendElement(9, 2).lkey) == (1, 3))
        #expect(queue.elementCapacity(headerBytes: 48) == 5)
        #expect(queue.elementCapacity(headerBytes: 128) == 0)
        #expect(queue.elementCapacity(headerBytes: 200) == 0)
    }

    /// Each word has the place that the ABI gives it.
    @Test func workQueueWords() throws {
        let queue = try #require(WorkQueue(mapping, offset: 64, entryCount: 8, strideBytes: 64))
        queue.tail.release(1)
        queue.doorbellWanted.storeRelaxed(2)
        queue.head.release(3)
        queue.psn.storeRelaxed(4)
        queue.recordProgress(
            vrdma_progress(
                stage: 1, index: 9, bytes_done: 0, atomic_original: 0, receive_index: 0, receive_cq_tail: 0,
                send_cq_tail: 0, reserved: (0, 0, 0, 0, 0, 0, 0)))
        let header = (mapping.base + 64).load(as: vrdma_queue_header.self)
        #expect((header.application_index, header.doorbell_wanted, header.endpoint_index, header.psn) == (1, 2, 3, 4))
        #expect((header.progress.stage, header.progress.index) == (1, 9))
    }

    /// A queue without entries writes nowhere.
    @Test func none() {
        let queue = WorkQueue.none
        #expect(queue.entryCount == 0)
        queue.doorbellWanted.exchange(1)
        #expect((queue.tail.acquire(), queue.head.acquire()) == (0, 0))
        queue.doorbellWanted.exchange(0)
    }

    @Test func completionRingShapes() {
        #expect(CompletionRing(mapping, offset: 0, entryCount: 256) != nil)
        let wrong: [(UInt64, UInt32)] = [
            (0, 0), (0, 3), (0, 1024), (32, 4), (1 << 16, 1), (.max, 1), (.max - 63, 1), (0, 1 << 31),
        ]
        for (offset, entries) in wrong {
            #expect(CompletionRing(mapping, offset: offset, entryCount: entries) == nil)
        }
    }

    @Test func completions() throws {
        let ring = try #require(CompletionRing(mapping, offset: 0, entryCount: 4))
        #expect(ring.completion(at: 0) == nil)
        for index in UInt32(0)..<20 {
            var completion = vrdma_cqe()
            completion.wr_id = UInt64(index) * 7
            ring.publish(completion, at: index)
            #expect(ring.completion(at: index)?.pointee.wr_id == UInt64(index) * 7)
            // The next one is not there, though an older one lies in its place.
            #expect(ring.completion(at: index + 1) == nil)
        }
        // Also at the wrap of the index.
        ring.publish(vrdma_cqe(), at: .max)
        #expect(ring.completion(at: .max) != nil)
        #expect(ring.completion(at: .max)?.pointee.sequence == 0)
        #expect(ring.completion(at: 0) == nil)
    }

    @Test func completionRingWords() throws {
        let ring = try #require(CompletionRing(mapping, offset: 64, entryCount: 4))
        ring.head.release(1)
        ring.arm.exchange(2)
        ring.armServed.storeRelaxed(3)
        ring.tail.release(4)
        let header = (mapping.base + 64).load(as: vrdma_queue_header.self)
        #expect((header.application_index, header.arm, header.arm_served, header.endpoint_index) == (1, 2, 3, 4))
    }
}

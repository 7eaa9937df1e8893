import CVRDMAABI
import SharedMemory
import Verbs

/// A completion, as tests compare it.
struct Completion: Equatable, CustomStringConvertible {
    var identifier: UInt64
    var status: WorkCompletionStatus
    var opcode: WorkCompletionOpcode?
    var byteLength: UInt32
    var immediate: UInt32?
    var queuePair: UInt32
    var entry: UInt32

    var description: String {
        "\(identifier): \(status), \(opcode.map { "\($0)" } ?? "?"), \(byteLength) bytes"
            + (immediate.map { ", immediate \($0)" } ?? "")
    }
}

extension Completion {
    init(_ completion: vrdma_cqe) {
        identifier = completion.wr_id
        status = WorkCompletionStatus(rawValue: completion.status)
        opcode = WorkCompletionOpcode(rawValue: completion.opcode)
        byteLength = completion.byte_length
        immediate = completion.flags & VRDMA_WC_FLAG_WITH_IMM != 0 ? completion.immediate : nil
        queuePair = completion.qp_number
        entry = completion.wqe_index
    }
}

/// A completion queue as its application sees it.
final class SimulatedCompletionQueue {
    let context: SimulatedContext
    let handle: UInt32
    let ring: CompletionRing
    let slot: UInt32
    private(set) var head: UInt32 = 0
    private var armSequence: UInt32 = 0

    fileprivate init(context: SimulatedContext, handle: UInt32, ring: CompletionRing, slot: UInt32) {
        self.context = context
        self.handle = handle
        self.ring = ring
        self.slot = slot
    }

    /// The next completion. With `consuming` false the application forgets to say that it has taken it.
    func poll(consuming: Bool = true) -> Completion? {
        guard let entry = ring.completion(at: head) else { return nil }
        let completion = Completion(entry.pointee)
        head &+= 1
        if consuming { ring.head.release(head) }
        return completion
    }

    /// All completions that are there.
    func drain() -> [Completion] {
        var result: [Completion] = []
        while let completion = poll() { result.append(completion) }
        return result
    }

    /// Asks for one event.
    func arm(solicitedOnly: Bool = false) {
        armSequence += 1
        ring.arm.exchange(armSequence << 2 | (solicitedOnly ? VRDMA_CQ_ARM_SOLICITED : VRDMA_CQ_ARM_ANY))
    }

    func destroy() throws(Errno) {
        try context.command(VRDMA_OP_DESTROY_CQ, handle: handle)
    }
}

extension SimulatedContext {
    func createCompletionQueue(
        entries: UInt32 = 256, channel: SimulatedChannel? = nil, slot: UInt32 = 0
    ) throws(Errno) -> SimulatedCompletionQueue {
        let offset = try memory.allocate(Int(CompletionRing.sizeBytes(entryCount: entries)))
        return try createCompletionQueue(
            vrdma_create_cq_command(
                queue: memory.name(offset), entries: entries, comp_channel: channel?.handle ?? 0, slot: slot,
                reserved: 0))
    }

    func createCompletionQueue(_ request: vrdma_create_cq_command) throws(Errno) -> SimulatedCompletionQueue {
        let handle = try handle(command(VRDMA_OP_CREATE_CQ, request))
        guard
            let ring = CompletionRing(
                memory.mapping, offset: request.queue.offset, entryCount: request.entries)
        else { throw .invalidArgument }
        return SimulatedCompletionQueue(context: self, handle: handle, ring: ring, slot: request.slot)
    }
}

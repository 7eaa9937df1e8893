import CVRDMAABI
import LinuxIO
import SharedMemory
import Verbs

/// An application's open device.
final class SimulatedContext {
    let guest: SimulatedGuest
    let handle: UInt32
    /// The context memfd: doorbells, and behind them the queues and buffers.
    let memory: SimulatedMemory
    let doorbells: DoorbellTree
    let inbox: SimulatedEndpoint.Inbox
    private let sockets: (FileDescriptor, FileDescriptor)
    private var usedSlots: Set<UInt32> = []
    private var nextAddress: UInt64 = 0x7100_0000_0000

    init(guest: SimulatedGuest, memoryBytes: Int) throws {
        self.guest = guest
        let mapping = try Mapping(name: "vrdma-test-context", sizeBytes: DoorbellTree.sizeBytes + memoryBytes)
        guard let doorbells = DoorbellTree(mapping) else { throw Errno.invalidArgument }
        doorbells.initialize()
        self.doorbells = doorbells
        sockets = try PacketSocket.pair()
        let kick = try EventDescriptor.create()
        var request = vrdma_open_context_command()
        request.process_id = 4711
        FixedText.write("test", to: &request.process_name)
        let reply = try guest.command(
            VRDMA_OP_OPEN_CONTEXT, context: 0, request,
            descriptors: [try mapping.file.duplicate(), kick, sockets.1])
        guard let opened = reply.payload(as: vrdma_open_context_reply.self) else { throw Errno.protocolError }
        handle = opened.context
        memory = SimulatedMemory(region: opened.context_region, mapping: mapping, used: DoorbellTree.sizeBytes)
        inbox = guest.endpoint.openInbox(asyncSocket: sockets.1)
    }

    var endpoint: SimulatedEndpoint { guest.endpoint }

    /// Takes the asynchronous events that arrived.
    func takeAsyncEvents() -> [AsyncEvent] {
        defer { inbox.asyncEvents = [] }
        return inbox.asyncEvents.map(AsyncEvent.init)
    }

    @discardableResult
    func command<Payload: BitwiseCopyable>(
        _ opcode: vrdma_opcode, _ payload: Payload, descriptors: [FileDescriptor] = []
    ) throws(Errno) -> vrdma_message {
        try guest.command(opcode, context: handle, payload, descriptors: descriptors)
    }

    /// A command whose payload is a handle.
    @discardableResult
    func command(_ opcode: vrdma_opcode, handle: UInt32, index: UInt32 = 0) throws(Errno) -> vrdma_message {
        try command(opcode, vrdma_handle_command(handle: handle, index: index))
    }

    /// A command that is answered with a handle.
    func handle(_ reply: vrdma_message) throws(Errno) -> UInt32 {
        guard let reply = reply.payload(as: vrdma_handle_reply.self) else { throw .protocolError }
        return reply.handle
    }

    func close() throws(Errno) {
        try guest.command(VRDMA_OP_CLOSE_CONTEXT, context: handle)
    }

    func attach(sizeBytes: Int) throws(Errno) -> SimulatedMemory {
        let mapping = try Mapping(name: "vrdma-test-region", sizeBytes: sizeBytes)
        let file = try mapping.file.duplicate()
        let reply = try guest.command(VRDMA_OP_ATTACH_REGION, context: handle, descriptors: [file])
        guard let attached = reply.payload(as: vrdma_attach_region_reply.self) else { throw .protocolError }
        return SimulatedMemory(region: attached.region, mapping: mapping)
    }

    func allocateProtectionDomain() throws(Errno) -> UInt32 {
        try handle(guest.command(VRDMA_OP_ALLOC_PD, context: handle))
    }

    func createChannel() throws(Errno) -> SimulatedChannel {
        let (own, theirs) = try PacketSocket.pair()
        let reply = try guest.command(VRDMA_OP_CREATE_COMP_CHANNEL, context: handle, descriptors: [theirs])
        return SimulatedChannel(
            handle: try handle(reply), sockets: (own, theirs),
            inbox: endpoint.openInbox(channelSocket: theirs))
    }

    /// The lowest doorbell slot that no queue pair has.
    var freeSlot: UInt32 { (0...).first { !usedSlots.contains($0) } ?? 0 }

    func takeSlot(_ slot: UInt32) {
        usedSlots.insert(slot)
    }

    func releaseSlot(_ slot: UInt32) {
        usedSlots.remove(slot)
    }

    /// Addresses for a memory region, apart from all others of the context.
    func newAddress(_ sizeBytes: Int) -> UInt64 {
        defer { nextAddress += UInt64(sizeBytes + 0x1_0000) / 4096 * 4096 }
        return nextAddress
    }

    /// Rings a doorbell as the ABI has it.
    func ring(_ queue: UInt32) {
        doorbells.ring(queue)
        if doorbells.kickWanted.relaxed() != 0, doorbells.kickWanted.exchange(0) != 0 {
            endpoint.kick(context: handle)
        }
    }
}

/// A completion channel, with the events that arrived.
final class SimulatedChannel {
    let handle: UInt32
    private let sockets: (FileDescriptor, FileDescriptor)
    private let inbox: SimulatedEndpoint.Inbox

    init(handle: UInt32, sockets: (FileDescriptor, FileDescriptor), inbox: SimulatedEndpoint.Inbox) {
        self.handle = handle
        self.sockets = sockets
        self.inbox = inbox
    }

    /// Takes the events, as the completion queues' slots.
    func takeEvents() -> [UInt32] {
        defer { inbox.completionEvents = [] }
        return inbox.completionEvents.map(\.slot)
    }
}

/// An asynchronous event, as tests compare it.
struct AsyncEvent: Equatable, CustomStringConvertible {
    var type: AsyncEventType?
    var element: UInt32

    init(_ type: AsyncEventType, _ element: UInt32) {
        self.type = type
        self.element = element
    }

    init(_ event: vrdma_async_event) {
        type = AsyncEventType(rawValue: event.event_type)
        element = event.element
    }

    var description: String { "\(type.map { "\($0)" } ?? "unknown") of \(element)" }
}

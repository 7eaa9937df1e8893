import CLinux
import CVRDMAABI
import Glibc
import LinuxIO
import SharedMemory
import Verbs

/// An application's use of a guest: what `ibv_open_device(3)` opens. Its calls may come from any thread.
///
/// With the guest driver or the endpoint gone it is *fatal*: control calls throw `EIO`, destroying succeeds, and what
/// was posted completes as flushed.
package final class ProviderContext: @unchecked Sendable {
    /// What the guest driver said of the guest: its name, number and address.
    package let welcome: vrdma_welcome
    /// The device's limits when the context was opened.
    package let deviceAttributes: vrdma_query_device_reply
    /// Readable when an asynchronous event waits, and at the end of the device. The owner may make it non-blocking.
    package var asyncDescriptor: Int32 { asyncSocket.rawValue }

    let connection: ControlConnection
    let core: UnsafeMutablePointer<ContextCore>
    let kick: FileDescriptor
    let asyncSocket: FileDescriptor
    /// Protects everything below; held while commands are exchanged that take a moment, never while posting or polling.
    let mutex = PosixMutex()
    var ringMemory: RingMemory
    var queuePairSlots = SlotAllocator()
    var completionQueueSlots = SlotAllocator()
    var completionQueueGeneration: UInt32 = 0
    let completionQueues: SlotDirectory<ProviderCompletionQueue>
    /// The files of memory that the endpoint knows.
    var regionsOfFiles: [MemoryFileIdentity: (file: SharedMemoryFile, region: UInt32)] = [:]
    var retirementsSeen = 0
    var isFatalEventTaken = false
    var isClosed = false

    /// The socket of the guest driver: `VRDMA_GUEST_SOCKET`, or that of the guest named `default`.
    package static func defaultSocketPath() -> String {
        if let value = getenv("VRDMA_GUEST_SOCKET"), value.pointee != 0 { return String(cString: value) }
        return "/run/vrdma/guests/default.sock"
    }

    /// Asks who the guest driver at `socketPath` is, and opens nothing. Throws as `open` does.
    package static func probe(socketPath: String) throws(Errno) -> vrdma_welcome {
        try ControlConnection(socketPath: socketPath).welcome
    }

    /// Connects to the guest driver at `socketPath` and opens a context.
    ///
    /// Throws what connect(2) throws, `EPROTONOSUPPORT` for a guest driver of another version, and what the endpoint
    /// answers.
    package static func open(socketPath: String) throws(Errno) -> ProviderContext {
        try ProviderContext(ControlConnection(socketPath: socketPath))
    }

    private init(_ connection: ControlConnection) throws(Errno) {
        let headerBytes = (DoorbellTree.sizeBytes + 4095) & ~4095
        let mapping = try Mapping(name: "vrdma-context", sizeBytes: headerBytes + RingMemory.regionBytes)
        guard let doorbells = DoorbellTree(mapping) else { throw .outOfMemory }
        doorbells.initialize()
        let kick = try EventDescriptor.create()
        let (ownEnd, endpointEnd) = try PacketSocket.pair()
        let opened = try connection.call(
            VRDMA_OP_OPEN_CONTEXT, ProcessDescription.command(),
            descriptors: [mapping.file.rawValue, kick.rawValue, endpointEnd.rawValue],
            reply: vrdma_open_context_reply.self)
        deviceAttributes = try connection.call(
            VRDMA_OP_QUERY_DEVICE, vrdma_handle_command(), reply: vrdma_query_device_reply.self
        ).withCreatableLimits
        self.connection = connection
        self.welcome = connection.welcome
        self.kick = kick
        self.asyncSocket = ownEnd
        ringMemory = try RingMemory(mapping, identifier: opened.context_region, reservedBytes: headerBytes)
        // Not earlier: what is allocated is freed by deinit, which a failed open does not reach.
        completionQueues = SlotDirectory()
        core = .allocate(capacity: 1)
        core.initialize(
            to: ContextCore(
                doorbells: doorbells, kickDescriptor: kick.rawValue, words: QueueWords.allocate(),
                queuePairs: SlotDirectory(),
                controlDescriptor: connection.socket.rawValue, asyncDescriptor: ownEnd.rawValue))
        ForkGuard.add(self)
    }

    deinit {
        close()
        ForkGuard.remove(self)
        core.pointee.deallocate()
        completionQueues.deallocate()
        core.deinitialize(count: 1)
        core.deallocate()
    }

    /// Whether the guest driver or the endpoint is gone. Looks at the connection.
    package var isFatal: Bool { core.isFatal || core.isGone() || connection.isGone }

    /// Gives up everything that was made with this context. Pointers to its queues are invalid afterwards.
    package func close() {
        mutex.withLock {
            guard !isClosed else { return }
            isClosed = true
            _ = try? connection.call(VRDMA_OP_CLOSE_CONTEXT)
            core.markFatal()
        }
    }

    /// Notes that a call failed because the other side is gone.
    func call<Payload: BitwiseCopyable>(
        _ opcode: vrdma_opcode, _ payload: Payload, descriptors: [Int32] = []
    ) throws(Errno) -> vrdma_message {
        if core.isFatal { throw .inputOutput }
        do throws(Errno) {
            return try connection.call(opcode, payload, descriptors: descriptors)
        } catch {
            if error == .inputOutput, connection.isGone { core.markFatal() }
            throw error
        }
    }

    func call<Payload: BitwiseCopyable, Reply: BitwiseCopyable>(
        _ opcode: vrdma_opcode, _ payload: Payload, descriptors: [Int32] = [], reply: Reply.Type
    ) throws(Errno) -> Reply {
        guard let result = try call(opcode, payload, descriptors: descriptors).payload(as: reply) else {
            throw .protocolError
        }
        return result
    }

    /// A call that gives something up: on a device that is gone, nothing is left to be given up.
    func callToDestroy(_ opcode: vrdma_opcode, handle: UInt32) throws(Errno) {
        do throws(Errno) {
            _ = try call(opcode, vrdma_handle_command(handle: handle, index: 0))
        } catch {
            if !core.isFatal { throw error }
        }
    }
}

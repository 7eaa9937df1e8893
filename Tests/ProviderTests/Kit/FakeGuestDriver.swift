import CLinux
import CVRDMAABI
import Glibc
import LinuxIO
import SharedMemory
import Synchronization
import Testing
import Verbs

@testable import Provider

/// A guest driver and endpoint in a thread of the test: it says yes to every command, and shows the test the queues from
/// the endpoint's side.
final class FakeGuestDriver: @unchecked Sendable {
    struct QueuePair {
        var number: UInt32
        var command: vrdma_create_qp_command
        var send: WorkQueue
        var receive: WorkQueue?
    }

    let path: String
    private let listener: FileDescriptor
    private let mutex = PosixMutex()
    private var thread = pthread_t()
    private let stopping = Atomic(false)
    private var isStopped: Bool { stopping.load(ordering: .acquiring) }
    private var connection: FileDescriptor?

    // All of these are the thread's while a command is under way, and the test's otherwise.
    var regions: [UInt32: Mapping] = [:]
    var doorbells: DoorbellTree?
    var kick: FileDescriptor?
    var asyncSocket: FileDescriptor?
    var channels: [UInt32: FileDescriptor] = [:]
    var completionQueues: [UInt32: (ring: CompletionRing, command: vrdma_create_cq_command)] = [:]
    var queuePairs: [UInt32: QueuePair] = [:]
    var registrations: [UInt32: (command: vrdma_reg_mr_command, extents: [vrdma_extent])] = [:]
    var detached: [UInt32] = []
    /// Completions for which there was no room.
    var overruns = 0
    /// The status of the next command of an opcode.
    var failures: [UInt32: Errno] = [:]
    var welcome = vrdma_welcome()
    /// Of the reply of CREATE_CQ.
    var completionQueueFlags: UInt32 = 0
    /// Called for REG_MR, before it is answered.
    var onRegistration: () -> Void = {}
    /// What ARM_CQ asked for.
    var armed: [vrdma_handle_command] = []
    private var nextHandle: UInt32 = 100

    init() throws {
        path = "/tmp/vrdma-provider-test-\(getpid())-\(UInt64.random(in: 0 ... .max)).sock"
        listener = try PacketSocket.listen(path: path)
        welcome.magic = VRDMA_ABI_MAGIC
        welcome.major = UInt16(VRDMA_ABI_MAJOR)
        FixedText.write("fake", to: &welcome.guest_name)
        pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<FakeGuestDriver>.fromOpaque(argument).takeUnretainedValue().serve()
                return nil
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Ends like a process that is killed: every descriptor is closed. Whoever made it calls this, since its thread
    /// keeps it alive.
    func die() {
        guard !stopping.exchange(true, ordering: .acquiringAndReleasing) else { return }
        unlink(path)
        // What the connection's thread waits in ends with it.
        if let connection = mutex.withLock({ connection }) { shutdown(connection.rawValue, Int32(SHUT_RDWR)) }
        shutdown(listener.rawValue, Int32(SHUT_RDWR))
        pthread_join(thread, nil)
        connection = nil
        // A child that another test forks just now may hold these as well.
        for socket in [asyncSocket].compactMap({ $0 }) + channels.values { shutdown(socket.rawValue, Int32(SHUT_RDWR)) }
        asyncSocket = nil
        channels = [:]
    }

    private func serve() {
        while !isStopped {
            var ready = pollfd(fd: listener.rawValue, events: Int16(POLLIN), revents: 0)
            poll(&ready, 1, 1000)
            guard let accepted = try? PacketSocket.accept(listener) else { continue }
            mutex.withLock { connection = accepted }
            converse(accepted)
            mutex.withLock { connection = nil }
        }
    }

    private func converse(_ socket: FileDescriptor) {
        _ = fcntl(socket.rawValue, F_SETFL, 0)
        var hello = vrdma_hello()
        guard withUnsafeMutableBytes(of: &hello, { try? PacketSocket.receive(socket.rawValue, into: $0) }) != nil,
            hello.role == VRDMA_ROLE_APPLICATION.rawValue
        else { return }
        var answer = welcome
        withUnsafeBytes(of: &answer) { try? PacketSocket.send(socket.rawValue, $0) }
        while true {
            var command = vrdma_message()
            let received = withUnsafeMutableBytes(of: &command) {
                try? PacketSocket.receive(socket.rawValue, into: $0)
            }
            guard let received, received.byteCount == MemoryLayout<vrdma_message>.size else { return }
            var reply = command.reply()
            do throws(Errno) {
                if let failure = failures.removeValue(forKey: UInt32(command.opcode)) { throw failure }
                try carryOut(command, received.descriptors, &reply)
            } catch {
                reply.status = UInt32(error.rawValue)
            }
            withUnsafeBytes(of: &reply) { try? PacketSocket.send(socket.rawValue, $0) }
        }
    }

    private func newHandle() -> UInt32 {
        nextHandle += 1
        return nextHandle
    }

    private func carryOut(
        _ command: vrdma_message, _ descriptors: [FileDescriptor], _ reply: inout vrdma_message
    ) throws(Errno) {
        let handle = command.payload(as: vrdma_handle_command.self)?.handle ?? 0
        switch vrdma_opcode(UInt32(command.opcode)) {
        case VRDMA_OP_OPEN_CONTEXT:
            guard descriptors.count == 3 else { throw .invalidArgument }
            let mapping = try Mapping(descriptors[0])
            guard let tree = DoorbellTree(mapping), tree.isCompatible else { throw .protocolNotSupported }
            (doorbells, kick, asyncSocket) = (tree, descriptors[1], descriptors[2])
            let region = newHandle()
            regions[region] = mapping
            reply.setPayload(vrdma_open_context_reply(context: 1, context_region: region))
        case VRDMA_OP_QUERY_DEVICE: reply.setPayload(Self.device)
        case VRDMA_OP_ATTACH_REGION:
            guard descriptors.count == 1 else { throw .invalidArgument }
            let region = newHandle()
            regions[region] = try Mapping(descriptors[0])
            reply.setPayload(vrdma_attach_region_reply(region: region, reserved: 0, size_bytes: 0))
        case VRDMA_OP_DETACH_REGION:
            regions[handle] = nil
            detached.append(handle)
        case VRDMA_OP_CREATE_COMP_CHANNEL:
            let channel = newHandle()
            channels[channel] = descriptors.first
            reply.setPayload(vrdma_handle_reply(handle: channel, flags: 0))
        case VRDMA_OP_ALLOC_PD: reply.setPayload(vrdma_handle_reply(handle: newHandle(), flags: 0))
        case VRDMA_OP_CREATE_CQ: try createCompletionQueue(command, &reply)
        case VRDMA_OP_DESTROY_CQ: completionQueues[handle] = nil
        case VRDMA_OP_CREATE_QP: try createQueuePair(command, &reply)
        case VRDMA_OP_DESTROY_QP: queuePairs[handle] = nil
        case VRDMA_OP_REG_MR:
            onRegistration()
            try register(command, &reply)
        case VRDMA_OP_ARM_CQ: armed.append(command.payload(as: vrdma_handle_command.self) ?? vrdma_handle_command())
        case VRDMA_OP_DEREG_MR: registrations[handle] = nil
        default: break
        }
    }

    private static var device: vrdma_query_device_reply {
        var device = vrdma_query_device_reply()
        device.max_mr_size_bytes = 1 << 40
        device.max_qp_wr = 1 << 15
        device.max_sge = 32
        device.max_cqe = 1 << 20
        device.max_inline_bytes = 512
        return device
    }

    private func createCompletionQueue(_ command: vrdma_message, _ reply: inout vrdma_message) throws(Errno) {
        guard let wanted = command.payload(as: vrdma_create_cq_command.self),
            let mapping = regions[wanted.queue.region],
            let ring = CompletionRing(mapping, offset: wanted.queue.offset, entryCount: wanted.entries)
        else { throw .invalidArgument }
        let handle = newHandle()
        completionQueues[handle] = (ring, wanted)
        reply.setPayload(vrdma_handle_reply(handle: handle, flags: completionQueueFlags))
    }

    private func createQueuePair(_ command: vrdma_message, _ reply: inout vrdma_message) throws(Errno) {
        guard let wanted = command.payload(as: vrdma_create_qp_command.self),
            let mapping = regions[wanted.send_queue.region],
            let send = WorkQueue(
                mapping, offset: wanted.send_queue.offset, entryCount: wanted.send_entries,
                strideBytes: wanted.send_stride_bytes)
        else { throw .invalidArgument }
        var receive: WorkQueue?
        if wanted.receive_entries > 0 {
            guard let mapping = regions[wanted.receive_queue.region],
                let queue = WorkQueue(
                    mapping, offset: wanted.receive_queue.offset, entryCount: wanted.receive_entries,
                    strideBytes: wanted.receive_stride_bytes)
            else { throw .invalidArgument }
            receive = queue
        }
        let number = newHandle()
        send.doorbellWanted.storeRelaxed(1)
        queuePairs[number] = QueuePair(number: number, command: wanted, send: send, receive: receive)
        reply.setPayload(vrdma_handle_reply(handle: number, flags: 0))
    }

    private func register(_ command: vrdma_message, _ reply: inout vrdma_message) throws(Errno) {
        guard let wanted = command.payload(as: vrdma_reg_mr_command.self) else { throw .invalidArgument }
        var extents: [vrdma_extent] = []
        for position in 0..<Int(wanted.extent_count) {
            let stride = MemoryLayout<vrdma_extent>.size
            if wanted.extent_count <= VRDMA_INLINE_EXTENTS {
                withUnsafeBytes(of: wanted.extents) {
                    extents.append($0.loadUnaligned(fromByteOffset: position * stride, as: vrdma_extent.self))
                }
            } else {
                let table = wanted.extents.0
                guard let mapping = regions[table.region] else { throw .invalidArgument }
                let offset = Int(table.offset) + position * stride
                extents.append(mapping.base.loadUnaligned(fromByteOffset: offset, as: vrdma_extent.self))
            }
        }
        guard extents.allSatisfy({ regions[$0.region]?.contains(offset: $0.offset, count: $0.length) == true }) else {
            throw .invalidArgument
        }
        let key = newHandle()
        registrations[key] = (wanted, extents)
        reply.setPayload(vrdma_reg_mr_reply(lkey: key, rkey: key))
    }
}

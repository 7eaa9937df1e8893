import CIBVerbsObjects
import Glibc
import Testing

/// What a small verbs program holds: a context of one guest, a domain, a completion queue, a queue pair, memory.
final class Program {
    let library: DropInLibrary
    let context: DropInLibrary.Context
    let domain: DropInLibrary.Domain
    let channel: DropInLibrary.Channel
    let queue: DropInLibrary.Queue
    let queuePair: DropInLibrary.QueuePair
    let memory: UnsafeMutableRawPointer
    let region: DropInLibrary.Region

    static let memoryBytes = 8192
    static let capabilities = ibv_qp_cap(
        max_send_wr: 8, max_recv_wr: 8, max_send_sge: 4, max_recv_sge: 4, max_inline_data: 64)

    init(_ guest: String, _ installation: Installation) throws {
        library = try DropInLibrary.shared.get()
        context = try Self.open(guest, installation)
        domain = try #require(library.allocateDomain(context))
        channel = try #require(library.createChannel(context))
        queue = try #require(library.createQueue(context, 64, nil, channel, 0))
        var attributes = ibv_qp_init_attr()
        attributes.send_cq = queue
        attributes.recv_cq = queue
        attributes.cap = Self.capabilities
        attributes.qp_type = IBV_QPT_RC
        queuePair = try #require(library.createQueuePair(domain, &attributes))
        // Pages of its own: other tests of this process adopt memory too, through another copy of the provider, and two
        // copies must not share a page (docs/memory.md).
        memory = try #require(
            mmap(nil, Self.memoryBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        try #require(memory != MAP_FAILED)
        let everything =
            IBV_ACCESS_LOCAL_WRITE.rawValue | IBV_ACCESS_REMOTE_WRITE.rawValue | IBV_ACCESS_REMOTE_READ.rawValue
            | IBV_ACCESS_REMOTE_ATOMIC.rawValue
        region = try #require(library.register(domain, memory, Self.memoryBytes, CInt(bitPattern: everything)))
    }

    /// Opens the device of a guest as a program does that has VRDMA_GUEST_SOCKET in its environment.
    static func open(_ guest: String, _ installation: Installation) throws -> DropInLibrary.Context {
        let library = try DropInLibrary.shared.get()
        setenv("VRDMA_GUEST_SOCKET", installation.socketPath(guest), 1)
        defer { unsetenv("VRDMA_GUEST_SOCKET") }
        var count: CInt = 0
        let list = try #require(library.deviceList(&count))
        defer { library.freeDeviceList(list) }
        try #require(count == 1)
        return try #require(library.open(list[0]))
    }

    /// Destroys everything, in the order that the objects ask for.
    func close() {
        #expect(library.destroyQueuePair(queuePair) == 0)
        #expect(library.destroyQueue(queue) == 0)
        #expect(library.destroyChannel(channel) == 0)
        #expect(library.deregister(region) == 0)
        #expect(library.deallocateDomain(domain) == 0)
        #expect(library.close(context) == 0)
        munmap(memory, Self.memoryBytes)
    }

    /// Brings both queue pairs to RTS.
    static func connect(_ first: Program, _ second: Program) throws {
        for (own, peer) in [(first, second), (second, first)] {
            try own.initialize()
            var attributes = ibv_qp_attr()
            attributes.qp_state = IBV_QPS_RTR
            attributes.path_mtu = IBV_MTU_4096
            attributes.dest_qp_num = peer.queuePair.pointee.qp_num
            attributes.max_dest_rd_atomic = 4
            attributes.min_rnr_timer = 12
            attributes.ah_attr.is_global = 1
            attributes.ah_attr.port_num = 1
            attributes.ah_attr.grh.hop_limit = 1
            attributes.ah_attr.grh.sgid_index = 1
            try #require(own.library.queryGID(peer.context, 1, 1, &attributes.ah_attr.grh.dgid) == 0)
            let readyToReceive =
                IBV_QP_STATE.rawValue | IBV_QP_AV.rawValue | IBV_QP_PATH_MTU.rawValue | IBV_QP_DEST_QPN.rawValue
                | IBV_QP_RQ_PSN.rawValue | IBV_QP_MAX_DEST_RD_ATOMIC.rawValue | IBV_QP_MIN_RNR_TIMER.rawValue
            try #require(own.library.modify(own.queuePair, &attributes, CInt(readyToReceive)) == 0)
            attributes.qp_state = IBV_QPS_RTS
            attributes.timeout = 14
            attributes.retry_cnt = 7
            attributes.rnr_retry = 7
            attributes.max_rd_atomic = 4
            let readyToSend =
                IBV_QP_STATE.rawValue | IBV_QP_TIMEOUT.rawValue | IBV_QP_RETRY_CNT.rawValue
                | IBV_QP_RNR_RETRY.rawValue | IBV_QP_SQ_PSN.rawValue | IBV_QP_MAX_QP_RD_ATOMIC.rawValue
            try #require(own.library.modify(own.queuePair, &attributes, CInt(readyToSend)) == 0)
        }
    }

    /// RESET to INIT.
    func initialize() throws {
        var attributes = ibv_qp_attr()
        attributes.qp_state = IBV_QPS_INIT
        attributes.port_num = 1
        attributes.qp_access_flags =
            IBV_ACCESS_REMOTE_WRITE.rawValue | IBV_ACCESS_REMOTE_READ.rawValue | IBV_ACCESS_REMOTE_ATOMIC.rawValue
        let mask =
            IBV_QP_STATE.rawValue | IBV_QP_PKEY_INDEX.rawValue | IBV_QP_PORT.rawValue
            | IBV_QP_ACCESS_FLAGS.rawValue
        try #require(library.modify(queuePair, &attributes, CInt(mask)) == 0)
    }

    /// A part of the registered memory.
    func element(_ offset: Int, _ length: UInt32) -> ibv_sge {
        ibv_sge(addr: UInt64(UInt(bitPattern: memory + offset)), length: length, lkey: region.pointee.lkey)
    }

    /// The operations that verbs.h finds through the context.
    var operations: verbs_context { drop_in_context_of(context).pointee.verbs }
}

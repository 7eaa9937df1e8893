/// A request for a send queue (`struct ibv_send_wr`, ibv_post_send(3)).
///
/// Made by `send`, `write`, `read`, `compareAndSwap` and `fetchAndAdd`. A request can be posted again and again; where
/// every nanosecond counts, keep one and change what differs.
public struct WorkRequest: Sendable {
    /// How a request is executed; the values of `enum ibv_send_flags`.
    public struct Flags: OptionSet, BitwiseCopyable, Hashable, Sendable {
        /// The bits of `enum ibv_send_flags`.
        public let rawValue: UInt8

        /// From the bits of `enum ibv_send_flags`.
        @inlinable
        public init(rawValue: UInt8) {
            self.rawValue = rawValue
        }

        /// It begins when all READs and atomic operations before it are complete (IBA 10.8.3.3).
        public static let fence = Flags(rawValue: 1 << 0)
        /// Its success is told by a completion; a failure always is. The memory and the place in the queue of a request
        /// that is not signalled are free again with the completion of a later one.
        public static let signaled = Flags(rawValue: 1 << 1)
        /// Its completion at the receiver wakes those who wait for solicited ones only.
        public static let solicited = Flags(rawValue: 1 << 2)
        /// Its data is copied when it is posted: SEND and WRITE up to the queue pair's `maxInlineBytes`.
        public static let inline = Flags(rawValue: 1 << 3)

        static let all = Flags(rawValue: 0b1111)
    }

    /// What its completion names it by; free to choose.
    public var identifier: UInt64
    /// What is done.
    public var opcode: WorkRequestOpcode
    /// How it is done.
    public var flags: Flags
    /// The local memory: the source of SEND and WRITE, the target of READ and atomic operations.
    public var elements: ScatterGatherList
    /// The peer's memory; not for SEND.
    public var remote: RemoteMemory
    /// The immediate data in host byte order, for the two operations that have some.
    public var immediate: UInt32
    /// What the peer's word is compared with, or what is added to it.
    public var compareOrAdd: UInt64
    /// What the peer's word becomes when it compares equal.
    public var swap: UInt64

    /// A request of any kind.
    public init(
        _ opcode: WorkRequestOpcode, _ elements: ScatterGatherList,
        remote: RemoteMemory = RemoteMemory(address: 0, key: MemoryKey(rawValue: 0)), immediate: UInt32 = 0,
        compareOrAdd: UInt64 = 0, swap: UInt64 = 0, identifier: UInt64 = 0, flags: Flags = .signaled
    ) {
        self.identifier = identifier
        self.opcode = opcode
        self.flags = flags
        self.elements = elements
        self.remote = remote
        self.immediate = immediate
        self.compareOrAdd = compareOrAdd
        self.swap = swap
    }
}

extension WorkRequest {
    /// Sends a message into the next receive request of the peer (IBA 9.4.1).
    public static func send(
        _ elements: ScatterGatherList, immediate: UInt32? = nil, identifier: UInt64 = 0, flags: Flags = .signaled
    ) -> WorkRequest {
        WorkRequest(
            immediate == nil ? .send : .sendWithImmediate, elements, immediate: immediate ?? 0,
            identifier: identifier, flags: flags)
    }

    /// Sends a message from one piece of memory.
    public static func send(
        _ element: ScatterGatherElement, immediate: UInt32? = nil, identifier: UInt64 = 0, flags: Flags = .signaled
    ) -> WorkRequest {
        send(ScatterGatherList(element), immediate: immediate, identifier: identifier, flags: flags)
    }

    /// Writes to the peer's memory (IBA 9.4.3). Immediate data takes a receive request of the peer, which tells the
    /// peer of the write.
    public static func write(
        _ elements: ScatterGatherList, to remote: RemoteMemory, immediate: UInt32? = nil, identifier: UInt64 = 0,
        flags: Flags = .signaled
    ) -> WorkRequest {
        WorkRequest(
            immediate == nil ? .rdmaWrite : .rdmaWriteWithImmediate, elements, remote: remote,
            immediate: immediate ?? 0, identifier: identifier, flags: flags)
    }

    /// Writes one piece of memory to the peer's memory.
    public static func write(
        _ element: ScatterGatherElement, to remote: RemoteMemory, immediate: UInt32? = nil, identifier: UInt64 = 0,
        flags: Flags = .signaled
    ) -> WorkRequest {
        write(ScatterGatherList(element), to: remote, immediate: immediate, identifier: identifier, flags: flags)
    }

    /// Reads the peer's memory (IBA 9.4.4).
    public static func read(
        into elements: ScatterGatherList, from remote: RemoteMemory, identifier: UInt64 = 0,
        flags: Flags = .signaled
    ) -> WorkRequest {
        WorkRequest(.rdmaRead, elements, remote: remote, identifier: identifier, flags: flags)
    }

    /// Reads the peer's memory into one piece of memory.
    public static func read(
        into element: ScatterGatherElement, from remote: RemoteMemory, identifier: UInt64 = 0,
        flags: Flags = .signaled
    ) -> WorkRequest {
        read(into: ScatterGatherList(element), from: remote, identifier: identifier, flags: flags)
    }

    /// Replaces a word of 8 bytes of the peer's memory by `swap` if it equals `compare`, and stores what was there
    /// before in `element`, atomically (IBA 9.4.5). The word lies at a multiple of 8; numbers are in host byte order.
    public static func compareAndSwap(
        into element: ScatterGatherElement, at remote: RemoteMemory, compare: UInt64, swap: UInt64,
        identifier: UInt64 = 0, flags: Flags = .signaled
    ) -> WorkRequest {
        WorkRequest(
            .compareAndSwap, ScatterGatherList(element), remote: remote, compareOrAdd: compare, swap: swap,
            identifier: identifier, flags: flags)
    }

    /// Adds to a word of 8 bytes of the peer's memory, and stores what was there before in `element`, atomically
    /// (IBA 9.4.5). The word lies at a multiple of 8; numbers are in host byte order and wrap.
    public static func fetchAndAdd(
        into element: ScatterGatherElement, at remote: RemoteMemory, add: UInt64, identifier: UInt64 = 0,
        flags: Flags = .signaled
    ) -> WorkRequest {
        WorkRequest(
            .fetchAndAdd, ScatterGatherList(element), remote: remote, compareOrAdd: add, identifier: identifier,
            flags: flags)
    }
}

/// A request for a receive queue (`struct ibv_recv_wr`, ibv_post_recv(3)): where the next message goes.
public struct ReceiveRequest: Sendable {
    /// What its completion names it by; free to choose.
    public var identifier: UInt64
    /// The memory, which is filled in order.
    public var elements: ScatterGatherList

    /// A receive into several pieces of memory, or into none for messages without data.
    public init(_ elements: ScatterGatherList, identifier: UInt64 = 0) {
        self.identifier = identifier
        self.elements = elements
    }

    /// A receive into one piece of memory.
    public init(_ element: ScatterGatherElement, identifier: UInt64 = 0) {
        self.init(ScatterGatherList(element), identifier: identifier)
    }
}

import SharedMemory
import Verbs

/// A send work request for the host device: checked, with keys that mean something to the device.
package struct HostSendRequest: BitwiseCopyable {
    /// The free-running index in the guest's send queue; comes back in the completion.
    package var index: UInt32
    package var opcode: WorkRequestOpcode
    package var isSignaled: Bool
    package var isFenced: Bool
    package var isSolicited: Bool
    /// Elements that the request uses, of those that accompany it.
    package var elementCount: Int
    /// The data itself is in the request, `inlineBytes` from this address of the endpoint's; 0 when it is not.
    package var inlineAddress: UInt
    package var inlineBytes: UInt32
    /// In network byte order, as the guest wrote it.
    package var immediate: UInt32
    package var remoteAddress: UInt64
    package var remoteKey: UInt32
    package var compareAdd: UInt64
    package var swap: UInt64

    package init(index: UInt32, opcode: WorkRequestOpcode) {
        self.index = index
        self.opcode = opcode
        isSignaled = false
        isFenced = false
        isSolicited = false
        elementCount = 0
        inlineAddress = 0
        inlineBytes = 0
        immediate = 0
        remoteAddress = 0
        remoteKey = 0
        compareAdd = 0
        swap = 0
    }
}

/// A completion of the host device (struct ibv_wc).
package struct HostCompletion: BitwiseCopyable {
    package var queuePair: UInt32 = 0
    package var isReceive = false
    /// The index of the request in the guest's queue.
    package var index: UInt32 = 0
    /// As `enum ibv_wc_status`.
    package var status: UInt32 = 0
    /// As `enum ibv_wc_opcode`; means something in a success only.
    package var opcode: UInt32 = 0
    package var vendorError: UInt32 = 0
    package var byteLength: UInt32 = 0
    /// In network byte order.
    package var immediate: UInt32 = 0
    package var sourceQueuePair: UInt32 = 0
    /// As `enum ibv_wc_flags`.
    package var flags: UInt32 = 0

    package init() {}
}

/// Memory to be registered with the host device (ibv_reg_mr_iova(3)).
package struct HostRegistration: Sendable {
    /// A piece of the guest's memory; the pieces follow each other in the region without a hole.
    package struct Piece: Sendable {
        package var mapping: Mapping
        package var offset: UInt64
        package var lengthBytes: UInt64

        package init(mapping: Mapping, offset: UInt64, lengthBytes: UInt64) {
            self.mapping = mapping
            self.offset = offset
            self.lengthBytes = lengthBytes
        }
    }

    package var domain: HostHandle
    /// The address by which requests name the first byte: the guest's own.
    package var start: UInt64
    package var lengthBytes: UInt64
    package var access: AccessFlags
    package var pieces: [Piece]

    package init(domain: HostHandle, start: UInt64, lengthBytes: UInt64, access: AccessFlags, pieces: [Piece]) {
        self.domain = domain
        self.start = start
        self.lengthBytes = lengthBytes
        self.access = access
        self.pieces = pieces
    }
}

/// Memory that is registered with the host device.
package struct HostMemory: BitwiseCopyable, Sendable, Equatable {
    package var handle: HostHandle
    /// What the device calls it in its own requests.
    package var localKey: UInt32
    /// What peers call it; 0 when they may not reach it.
    package var remoteKey: UInt32

    package init(handle: HostHandle, localKey: UInt32, remoteKey: UInt32) {
        self.handle = handle
        self.localKey = localKey
        self.remoteKey = remoteKey
    }
}

/// What happened on the host device besides completions.
package enum HostEvent: Sendable, Equatable {
    /// The answer to `beginRegistration`.
    case registered(token: UInt64, HostMemory)
    case registrationFailed(token: UInt64, Errno)
    /// The answer to `beginDeregistration`.
    case deregistered(token: UInt64)
    /// The answers to the beginning of a change of a queue pair.
    case modified(token: UInt64)
    case modificationFailed(token: UInt64, Errno)
    /// An asynchronous event of a queue pair (ibv_get_async_event(3)).
    case queuePair(AsyncEventType, UInt32)
    /// The device's own completion queue failed.
    case completionQueueError(UInt32)
    /// A solicited completion came after `requestSolicitedEvent`.
    case solicited(queue: UInt32)
    /// An asynchronous event of the port; `port` was read again before it.
    case port(AsyncEventType)
    /// The device went away, and every object with it.
    case lost
    /// The device is there (again). It has no objects of ours.
    case available
}

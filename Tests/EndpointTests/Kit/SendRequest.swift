import CVRDMAABI
import Verbs

/// A send work request, as ibv_post_send(3) takes it.
struct SendRequest {
    var identifier: UInt64 = 1
    var opcode: WorkRequestOpcode
    var elements: [vrdma_sge] = []
    var isSignaled = true
    var isSolicited = false
    var isFenced = false
    var inlineData: [UInt8]?
    var immediate: UInt32 = 0
    var remoteAddress: UInt64 = 0
    var remoteKey: UInt32 = 0
    var compareOrAdd: UInt64 = 0
    var swap: UInt64 = 0

    init(_ opcode: WorkRequestOpcode, _ elements: [vrdma_sge] = []) {
        self.opcode = opcode
        self.elements = elements
    }

    static func send(_ elements: vrdma_sge...) -> SendRequest { SendRequest(.send, elements) }

    static func write(_ elements: vrdma_sge..., to target: RegisteredBuffer, at offset: Int = 0) -> SendRequest {
        SendRequest(.rdmaWrite, elements).at(target, offset)
    }

    static func read(_ elements: vrdma_sge..., from target: RegisteredBuffer, at offset: Int = 0) -> SendRequest {
        SendRequest(.rdmaRead, elements).at(target, offset)
    }

    static func fetchAndAdd(
        _ value: UInt64, into element: vrdma_sge, at target: RegisteredBuffer, _ offset: Int = 0
    ) -> SendRequest {
        var request = SendRequest(.fetchAndAdd, [element]).at(target, offset)
        request.compareOrAdd = value
        return request
    }

    static func compareAndSwap(
        _ expected: UInt64, _ desired: UInt64, into element: vrdma_sge, at target: RegisteredBuffer, _ offset: Int = 0
    ) -> SendRequest {
        var request = SendRequest(.compareAndSwap, [element]).at(target, offset)
        request.compareOrAdd = expected
        request.swap = desired
        return request
    }

    func at(_ target: RegisteredBuffer, _ offset: Int = 0) -> SendRequest {
        with {
            $0.remoteAddress = target.address(offset)
            $0.remoteKey = target.key
        }
    }

    func with(_ change: (inout SendRequest) -> Void) -> SendRequest {
        var copy = self
        change(&copy)
        return copy
    }

    /// With a number by which its completion is recognised.
    func numbered(_ identifier: UInt64) -> SendRequest { with { $0.identifier = identifier } }

    var unsignaled: SendRequest { with { $0.isSignaled = false } }

    /// The fixed part of the send queue entry.
    var entry: vrdma_send_wqe {
        var entry = vrdma_send_wqe()
        entry.wr_id = identifier
        entry.opcode = opcode.rawValue
        let flags =
            (isSignaled ? VRDMA_SEND_SIGNALED.rawValue : 0) | (isSolicited ? VRDMA_SEND_SOLICITED.rawValue : 0)
            | (isFenced ? VRDMA_SEND_FENCE.rawValue : 0) | (inlineData == nil ? 0 : VRDMA_SEND_INLINE.rawValue)
        entry.flags = UInt8(flags)
        entry.sge_count = UInt16(inlineData == nil ? elements.count : 0)
        entry.immediate = immediate
        entry.remote_address = remoteAddress
        entry.rkey = remoteKey
        entry.inline_bytes = UInt32(inlineData?.count ?? 0)
        if opcode.isAtomic {
            entry.extension.atomic.compare_add = compareOrAdd
            entry.extension.atomic.swap = swap
        }
        return entry
    }
}

import CIBVerbsObjects
import Glibc
import Provider

// The calls of verbs.h that post requests: no allocation, no reference counting, no lookup.

extension UnsafeMutablePointer<ibv_qp> {
    /// The drop-in's object around what the application holds.
    @inline(__always)
    var own: UnsafeMutablePointer<drop_in_qp> {
        UnsafeMutableRawPointer(self).assumingMemoryBound(to: drop_in_qp.self)
    }
}

extension UnsafeMutablePointer<drop_in_qp> {
    /// The provider's queue pair. It is there from creation to destruction.
    @inline(__always)
    var queuePair: UnsafeMutablePointer<ProviderQueuePair>? {
        pointee.provider?.assumingMemoryBound(to: ProviderQueuePair.self)
    }
}

/// Posts send requests (ibv_post_send(3)). Those before the failing one, which `bad` tells, are posted.
@c func postSend(
    _ queuePair: UnsafeMutablePointer<ibv_qp>?, _ first: UnsafeMutablePointer<ibv_send_wr>?,
    _ bad: UnsafeMutablePointer<UnsafeMutablePointer<ibv_send_wr>?>?
) -> CInt {
    guard let own = queuePair?.own, let target = own.queuePair, target.pointee.acceptsSendRequests else {
        bad?.pointee = first
        return EINVAL
    }
    let maxElements = own.pointee.cap.max_send_sge
    let maxInlineBytes = own.pointee.cap.max_inline_data
    target.beginSend()
    var next = first
    var count: UInt32 = 0
    var result: CInt = 0
    while let request = next {
        guard let entry = target.reserveSend(count) else {
            result = ENOMEM
            break
        }
        result = writeSendEntry(entry, request, maxElements: maxElements, maxInlineBytes: maxInlineBytes)
        guard result == 0 else { break }
        count &+= 1
        next = request.pointee.next
    }
    target.endSend(count)
    if result != 0 { bad?.pointee = next }
    return result
}

/// Posts receive requests (ibv_post_recv(3)). Those before the failing one, which `bad` tells, are posted.
@c func postReceive(
    _ queuePair: UnsafeMutablePointer<ibv_qp>?, _ first: UnsafeMutablePointer<ibv_recv_wr>?,
    _ bad: UnsafeMutablePointer<UnsafeMutablePointer<ibv_recv_wr>?>?
) -> CInt {
    guard let own = queuePair?.own, let target = own.queuePair, target.pointee.acceptsReceiveRequests else {
        bad?.pointee = first
        return EINVAL
    }
    let maxElements = own.pointee.cap.max_recv_sge
    target.beginReceive()
    var next = first
    var count: UInt32 = 0
    var result: CInt = 0
    while let request = next {
        guard let entry = target.reserveReceive(count) else {
            result = ENOMEM
            break
        }
        result = writeReceiveEntry(entry, request, maxElements: maxElements)
        guard result == 0 else { break }
        count &+= 1
        next = request.pointee.next
    }
    target.endReceive(count)
    if result != 0 { bad?.pointee = next }
    return result
}

import CIBVerbsObjects
import CVRDMAABI
import Glibc
import Provider

// A send queue entry is written field by field, each once, straight into shared memory. The functions answer with an
// errno value, 0 when the entry is complete; they do not throw, because they stand on the data path.

/// Where the elements or the inline data of an entry begin.
let sendPayloadOffset = MemoryLayout<vrdma_send_wqe>.size

/// The flags that an entry carries, without the inline flag.
let sendFlagMask = VRDMA_SEND_FENCE.rawValue | VRDMA_SEND_SIGNALED.rawValue | VRDMA_SEND_SOLICITED.rawValue

/// Writes a request of ibv_post_send(3) into a send queue entry.
@inline(__always)
func writeSendEntry(
    _ entry: UnsafeMutableRawPointer, _ request: UnsafeMutablePointer<ibv_send_wr>,
    maxElements: UInt32, maxInlineBytes: UInt32
) -> CInt {
    let wqe = entry.assumingMemoryBound(to: vrdma_send_wqe.self)
    let opcode = request.pointee.opcode.rawValue
    guard opcode <= VRDMA_WR_ATOMIC_FETCH_AND_ADD.rawValue else { return EINVAL }
    wqe.pointee.wr_id = request.pointee.wr_id
    wqe.pointee.opcode = UInt8(truncatingIfNeeded: opcode)
    wqe.pointee.immediate = request.pointee.imm_data
    if opcode < VRDMA_WR_ATOMIC_CMP_AND_SWP.rawValue {
        wqe.pointee.remote_address = request.pointee.wr.rdma.remote_addr
        wqe.pointee.rkey = request.pointee.wr.rdma.rkey
    } else {
        wqe.pointee.remote_address = request.pointee.wr.atomic.remote_addr
        wqe.pointee.rkey = request.pointee.wr.atomic.rkey
        wqe.pointee.extension.atomic.compare_add = request.pointee.wr.atomic.compare_add
        wqe.pointee.extension.atomic.swap = request.pointee.wr.atomic.swap
    }
    let flags = request.pointee.send_flags
    let count = request.pointee.num_sge
    if flags & VRDMA_SEND_INLINE.rawValue != 0 {
        guard opcode < VRDMA_WR_RDMA_READ.rawValue else { return EINVAL }
        wqe.pointee.flags = UInt8(truncatingIfNeeded: flags & sendFlagMask | VRDMA_SEND_INLINE.rawValue)
        return writeInlineData(entry, request.pointee.sg_list, count, maxInlineBytes: maxInlineBytes)
    }
    wqe.pointee.flags = UInt8(truncatingIfNeeded: flags & sendFlagMask)
    wqe.pointee.inline_bytes = 0
    guard let elementCount = UInt16(exactly: count), elementCount <= maxElements else { return EINVAL }
    wqe.pointee.sge_count = elementCount
    return copyElements(entry + sendPayloadOffset, request.pointee.sg_list, Int(elementCount))
}

/// Gathers the data of the elements into an entry.
@inline(never)
private func writeInlineData(
    _ entry: UnsafeMutableRawPointer, _ elements: UnsafeMutablePointer<ibv_sge>?, _ count: CInt,
    maxInlineBytes: UInt32
) -> CInt {
    guard count >= 0 else { return EINVAL }
    let payload = entry + sendPayloadOffset
    var total = 0
    if count > 0 {
        guard let elements else { return EINVAL }
        for index in 0..<Int(count) {
            let bytes = Int(elements[index].length)
            if bytes == 0 { continue }
            guard bytes <= Int(maxInlineBytes) &- total else { return EINVAL }
            guard let source = UnsafeRawPointer(bitPattern: UInt(elements[index].addr)) else { return EINVAL }
            memcpy(payload + total, source, bytes)
            total &+= bytes
        }
    }
    let wqe = entry.assumingMemoryBound(to: vrdma_send_wqe.self)
    wqe.pointee.sge_count = 0
    wqe.pointee.inline_bytes = UInt32(truncatingIfNeeded: total)
    return 0
}

/// Copies scatter/gather elements, which have the same shape on both sides.
@inline(__always)
func copyElements(
    _ destination: UnsafeMutableRawPointer, _ elements: UnsafePointer<ibv_sge>?, _ count: Int
) -> CInt {
    if count == 0 { return 0 }
    guard let elements else { return EINVAL }
    let target = destination.assumingMemoryBound(to: ibv_sge.self)
    target[0] = elements[0]
    if count > 1 {
        for index in 1..<count { target[index] = elements[index] }
    }
    return 0
}

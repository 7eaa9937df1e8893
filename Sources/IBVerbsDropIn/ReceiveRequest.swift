import CIBVerbsObjects
import CVRDMAABI
import Glibc

/// Writes a request of ibv_post_recv(3) into a receive queue entry. Returns an errno value, 0 when it is complete.
@inline(__always)
func writeReceiveEntry(
    _ entry: UnsafeMutableRawPointer, _ request: UnsafeMutablePointer<ibv_recv_wr>, maxElements: UInt32
) -> CInt {
    let wqe = entry.assumingMemoryBound(to: vrdma_receive_wqe.self)
    guard let elementCount = UInt32(exactly: request.pointee.num_sge), elementCount <= maxElements else {
        return EINVAL
    }
    wqe.pointee.wr_id = request.pointee.wr_id
    wqe.pointee.sge_count = elementCount
    return copyElements(entry + MemoryLayout<vrdma_receive_wqe>.size, request.pointee.sg_list, Int(elementCount))
}

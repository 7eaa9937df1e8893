// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions bear the names of the C interface.

import CIBVerbsObjects
import Glibc
import Provider
import Verbs

/// The operations of a reliable connection of this device.
private let offeredSendOperations = UInt64(
    IBV_QP_EX_WITH_RDMA_WRITE.rawValue | IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM.rawValue
        | IBV_QP_EX_WITH_SEND.rawValue | IBV_QP_EX_WITH_SEND_WITH_IMM.rawValue
        | IBV_QP_EX_WITH_RDMA_READ.rawValue | IBV_QP_EX_WITH_ATOMIC_CMP_AND_SWP.rawValue
        | IBV_QP_EX_WITH_ATOMIC_FETCH_AND_ADD.rawValue)

/// The extended attributes that are looked at.
private let offeredInitialAttributes =
    IBV_QP_INIT_ATTR_PD.rawValue | IBV_QP_INIT_ATTR_CREATE_FLAGS.rawValue
    | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS.rawValue

/// Creates a queue pair with extended attributes (ibv_create_qp_ex(3)).
@c func createExtendedQueuePair(
    _ context: UnsafeMutablePointer<ibv_context>?, _ attributes: UnsafeMutablePointer<ibv_qp_init_attr_ex>?
) -> UnsafeMutablePointer<ibv_qp>? {
    guard let context, let attributes else { return failing(.invalidArgument, with: nil) }
    let mask = attributes.pointee.comp_mask
    let isExtended = mask & IBV_QP_INIT_ATTR_SEND_OPS_FLAGS.rawValue != 0
    guard mask & ~offeredInitialAttributes == 0,
        mask & IBV_QP_INIT_ATTR_CREATE_FLAGS.rawValue == 0 || attributes.pointee.create_flags == 0,
        !isExtended || attributes.pointee.send_ops_flags & ~offeredSendOperations == 0
    else { return failing(.notSupported, with: nil) }
    guard mask & IBV_QP_INIT_ATTR_PD.rawValue != 0, let domain = attributes.pointee.pd,
        domain.pointee.context == context
    else { return failing(.invalidArgument, with: nil) }
    do {
        // The extended attributes begin with the plain ones.
        let plain = UnsafeMutableRawPointer(attributes).assumingMemoryBound(to: ibv_qp_init_attr.self)
        let own = try makeQueuePair(domain, &plain.pointee)
        own.pointee.is_extended = isExtended
        if isExtended { own.pointee.ex.setOperations() }
        return UnsafeMutableRawPointer(own).assumingMemoryBound(to: ibv_qp.self)
    } catch {
        return failing(error, with: nil)
    }
}

/// The extended queue pair, for one that was created with send operations; else nil (ibv_qp_to_qp_ex(3)).
@c @implementation public func ibv_qp_to_qp_ex(
    _ qp: UnsafeMutablePointer<ibv_qp>?
) -> UnsafeMutablePointer<ibv_qp_ex>! {
    guard let qp, qp.own.pointee.is_extended else { return nil }
    return UnsafeMutableRawPointer(qp).assumingMemoryBound(to: ibv_qp_ex.self)
}

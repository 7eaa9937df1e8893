import CVRDMAABI
import Verbs

extension ProviderContext {
    /// The device's limits and identity, asked anew. Of each limit, an object that reaches it can be made.
    package func queryDevice() throws(Errno) -> vrdma_query_device_reply {
        try call(VRDMA_OP_QUERY_DEVICE, vrdma_handle_command(), reply: vrdma_query_device_reply.self)
            .withCreatableLimits
    }

    /// Whether an `EIO` was about the whole device: a command that a host's device has no part in fails as well. The guest
    /// driver answers so for a while before it closes the connection.
    package func isUnreachable() -> Bool {
        if isFatal { return true }
        do throws(Errno) {
            _ = try queryDevice()
            return false
        } catch {
            return error == .inputOutput
        }
    }

    /// Throws `EINVAL` for a port that there is not; ports count from 1.
    package func queryPort(_ port: UInt8) throws(Errno) -> vrdma_query_port_reply {
        try call(
            VRDMA_OP_QUERY_PORT, vrdma_handle_command(handle: UInt32(port), index: 0),
            reply: vrdma_query_port_reply.self)
    }

    /// An entry of the GID table. Throws `EINVAL` beyond its end.
    package func queryGID(index: UInt16, port: UInt8 = 1) throws(Errno) -> vrdma_query_gid_reply {
        try call(VRDMA_OP_QUERY_GID, Self.entry(index, ofPort: port), reply: vrdma_query_gid_reply.self)
    }

    /// An entry of the P_Key table, in network byte order. Throws `EINVAL` beyond its end.
    package func queryPKey(index: UInt16, port: UInt8 = 1) throws(Errno) -> UInt16 {
        try call(VRDMA_OP_QUERY_PKEY, Self.entry(index, ofPort: port), reply: vrdma_query_pkey_reply.self).pkey
    }

    /// A new protection domain's handle.
    package func allocateProtectionDomain() throws(Errno) -> UInt32 {
        try call(VRDMA_OP_ALLOC_PD, vrdma_handle_command(), reply: vrdma_handle_reply.self).handle
    }

    /// Throws `EBUSY` while something uses it.
    package func deallocateProtectionDomain(_ handle: UInt32) throws(Errno) {
        try callToDestroy(VRDMA_OP_DEALLOC_PD, handle: handle)
    }

    private static func entry(_ index: UInt16, ofPort port: UInt8) -> vrdma_handle_command {
        vrdma_handle_command(handle: UInt32(port), index: UInt32(index))
    }
}

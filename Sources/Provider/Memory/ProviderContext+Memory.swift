import CVRDMAABI
import LinuxIO
import SharedMemory
import Verbs

extension ProviderContext {
    /// Registers memory of this process, wherever it comes from (ibv_reg_mr_iova(3)). Private memory is *adopted*: moved
    /// into shared memory, at the same address and with the same contents.
    ///
    /// `virtualAddress` is what requests use for `address`; `access` holds the bits of `enum ibv_access_flags`.
    /// Throws `EINVAL` for a length of 0 or a range that wraps, `EFAULT` for memory that is not mapped or lacks a right,
    /// `EOPNOTSUPP` for memory that cannot be adopted (docs/memory.md), `ENOMEM` at a limit.
    package func registerMemory(
        protectionDomain: UInt32, address: UInt, lengthBytes: UInt64, virtualAddress: UInt64, access: UInt32
    ) throws(Errno) -> ProviderMemoryRegion {
        throw .notSupported
    }

    /// Registers a part of a shared allocation.
    package func registerShared(
        protectionDomain: UInt32, _ allocation: SharedAllocation, offset: Int = 0, lengthBytes: Int,
        virtualAddress: UInt64? = nil, access: UInt32
    ) throws(Errno) -> ProviderMemoryRegion {
        throw .notSupported
    }

    /// Takes the registration back; the memory stays as it is.
    package func deregisterMemory(_ region: ProviderMemoryRegion) throws(Errno) {
        try callToDestroy(VRDMA_OP_DEREG_MR, handle: region.lkey)
    }

    /// Page-aligned zeroed memory for `registerShared`.
    package func allocateShared(sizeBytes: Int) throws(Errno) -> SharedAllocation {
        guard sizeBytes > 0, sizeBytes <= Int.max - 4096 else { throw .invalidArgument }
        return SharedAllocation(
            mapping: try Mapping(name: "vrdma-buffer", sizeBytes: (sizeBytes + 4095) & ~4095), sizeBytes: sizeBytes)
    }
}

internal import Provider

/// Registered memory, which requests of its protection domain and, if its access flags say so, of peers may use
/// (ibv_reg_mr(3), IBA 10.6.3).
///
/// It lives as long as it is referred to, also by requests that are posted and not completed. A region of a
/// `RegisteredBuffer` keeps the buffer's memory alive in turn.
public final class MemoryRegion: Sendable {
    /// The domain that it belongs to.
    public let domain: ProtectionDomain
    /// What local requests name it by.
    public let localKey: MemoryKey
    /// What peers name it by.
    public let remoteKey: MemoryKey
    /// The address of its first byte in requests: the address in this process, or what was asked for instead; 0 when it
    /// is zero-based.
    public let address: UInt64
    /// Its length.
    public let byteCount: Int
    /// What may be done to it.
    public let access: AccessFlags

    /// Where it lies in this process.
    let start: UInt
    private let region: ProviderMemoryRegion
    /// Keeps the memory; nil when the application promised to.
    private let allocation: SharedAllocation?

    /// Registers a part of a buffer once more, in this or another domain of its device, with rights of its own.
    ///
    /// - Parameters:
    ///   - range: the part, in bytes from the buffer's start; nil is all of it.
    ///   - access: what may be done to it. `remoteWrite` and `remoteAtomic` need `localWrite`; with `zeroBased`,
    ///     requests count addresses from 0.
    ///   - address: the address that requests use for the first byte, when it shall be another than in this process.
    /// - Throws: `EINVAL` for a range outside of the buffer, an empty one, or rights that do not fit; `ENOMEM` at the
    ///   guest's limit of regions.
    public convenience init(
        _ domain: ProtectionDomain, of buffer: RegisteredBuffer, range: Range<Int>? = nil, access: AccessFlags,
        address: UInt64? = nil
    ) throws(VerbsError) {
        try self.init(
            domain, buffer.allocation, range: range ?? 0..<buffer.byteCount, access: access, address: address)
    }

    /// Registers memory of the application, wherever it comes from and whatever its alignment. Private memory becomes
    /// shared with the endpoint at the same address.
    ///
    /// Unsafe: the application must keep the memory mapped until the region is gone, and it must not be released while
    /// a peer may still use it. `RegisteredBuffer` needs no such care.
    ///
    /// - Throws: `EINVAL` for empty memory or rights that do not fit, `EFAULT` for memory that is not mapped or lacks a
    ///   right, `EOPNOTSUPP` for memory that cannot be shared (docs/memory.md), `ENOMEM` at a limit. Where the host's
    ///   device registers it as well: `EPERM` when the endpoint may not lock memory, `ENODEV` when the device is away,
    ///   `EIO` when it fails.
    public init(
        _ domain: ProtectionDomain, unsafeMemory memory: UnsafeMutableRawBufferPointer, access: AccessFlags,
        address: UInt64? = nil
    ) throws(VerbsError) {
        let operation = "register \(memory.count) bytes of memory"
        try Self.check(access, operation)
        let start = UInt(bitPattern: memory.baseAddress)
        self.start = start
        let used = access.contains(.zeroBased) ? 0 : address ?? UInt64(start)
        region = try explaining(
            operation, of: domain.device, Self.explain(domain, byteCount: memory.count)
        ) { () throws(Errno) in
            try domain.device.context.registerMemory(
                protectionDomain: domain.handle, address: start, lengthBytes: UInt64(memory.count),
                virtualAddress: used, access: access.rawValue)
        }
        self.domain = domain
        localKey = MemoryKey(rawValue: region.lkey)
        remoteKey = MemoryKey(rawValue: region.rkey)
        self.address = used
        byteCount = memory.count
        self.access = access
        allocation = nil
    }

    init(
        _ domain: ProtectionDomain, _ allocation: SharedAllocation, range: Range<Int>, access: AccessFlags,
        address: UInt64?
    ) throws(VerbsError) {
        let operation = "register bytes \(range) of a buffer of \(allocation.sizeBytes) bytes"
        try Self.check(access, operation)
        guard range.lowerBound >= 0, range.upperBound <= allocation.sizeBytes, !range.isEmpty else {
            throw VerbsError(.invalidArgument, operation, "the range must lie in the buffer and must not be empty")
        }
        start = UInt(bitPattern: allocation.address + range.lowerBound)
        let used = access.contains(.zeroBased) ? 0 : address ?? UInt64(start)
        region = try explaining(
            operation, of: domain.device, Self.explain(domain, byteCount: range.count)
        ) { () throws(Errno) in
            try domain.device.context.registerShared(
                protectionDomain: domain.handle, allocation, offset: range.lowerBound, lengthBytes: range.count,
                virtualAddress: used, access: access.rawValue)
        }
        self.domain = domain
        localKey = MemoryKey(rawValue: region.lkey)
        remoteKey = MemoryKey(rawValue: region.rkey)
        self.address = used
        byteCount = range.count
        self.access = access
        self.allocation = allocation
    }

    deinit {
        try? domain.device.context.deregisterMemory(region)
    }

    /// The region as a peer names it, from its first byte on.
    public var remote: RemoteMemory { RemoteMemory(address: address, key: remoteKey) }

    /// A part of the region, in bytes from its start, for a request. Whether it lies in the region is checked when the
    /// request is executed (IBA 10.6.3): a completion with `localProtectionError` tells of one that does not.
    public subscript(range: Range<Int>) -> ScatterGatherElement {
        ScatterGatherElement(
            self, offset: UInt64(truncatingIfNeeded: range.lowerBound), byteCount: UInt32(clamping: range.count))
    }

    /// All of the region, for a request; its first 4 GiB - 1 if it is larger.
    public subscript(_: UnboundedRange) -> ScatterGatherElement { self[0..<byteCount] }

    private static func check(_ access: AccessFlags, _ operation: String) throws(VerbsError) {
        guard access.isConsistent else {
            throw VerbsError(
                .invalidArgument, operation, "remoteWrite and remoteAtomic need localWrite as well (IBA 10.6.3.1)")
        }
    }

    private static func explain(_ domain: ProtectionDomain, byteCount: Int) -> (Errno) -> String? {
        let attributes = domain.device.attributes
        return { error in
            switch error {
            case .outOfMemory:
                "a guest has at most \(attributes.maxMemoryRegions) memory regions and "
                    + "\(attributes.maxMemoryRegionBytes) bytes of shared memory; release some, or raise "
                    + "'memory-regions', 'shared-memory-regions' or 'mapped-memory' in the endpoint's configuration; with a "
                    + "host device, the endpoint's limit of locked memory (LimitMEMLOCK) counts, too"
            case .invalidArgument:
                byteCount == 0
                    ? "a region has at least one byte" : "the range or the access flags are none that the device offers"
            case .timedOut:
                "the registration took longer than the guest driver waits; raise 'registration-timeout' in its "
                    + "configuration, or see whether the endpoint runs (vrdma status)"
            case .badAddress: "not all of the memory is mapped with the rights that the region shall have"
            case .notSupported:
                "this memory cannot be shared with the endpoint: a file mapped as shared, huge pages or a stack in "
                    + "use; allocate a RegisteredBuffer instead"
            default: nil
            }
        }
    }
}

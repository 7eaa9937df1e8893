internal import Provider

/// Memory that requests can use: allocated on whole pages, zero at first, shared with the endpoint from the start (a
/// sealed memfd) and registered.
///
/// The memory is freed when the last reference to the buffer and to every region of it is gone. Requests that are
/// posted hold one until their completion is polled, so a buffer can be dropped at any time.
///
/// The device writes into the memory while requests are outstanding, and peers do when the access flags let them. Like
/// on hardware, nothing but the protocol of the application keeps this apart from reads and writes of the program.
public final class RegisteredBuffer: Sendable {
    /// The registration that was made with the buffer; further ones are `MemoryRegion(_:of:)`.
    public let region: MemoryRegion
    /// Its size.
    public let byteCount: Int
    let allocation: SharedAllocation

    /// Allocates and registers memory.
    ///
    /// - Parameters:
    ///   - byteCount: its size, at least 1. Whole pages are taken.
    ///   - access: what may be done to it, beside being read by local requests, which always may.
    /// - Throws: `EINVAL` for a size below 1 or rights that do not fit, `ENOMEM` when there is no memory or at the
    ///   guest's limit of regions, `EMFILE` at the process's limit of file descriptors.
    public convenience init(
        _ domain: ProtectionDomain, byteCount: Int, access: AccessFlags = .localWrite
    ) throws(VerbsError) {
        let allocation = try explaining(
            "allocate a buffer of \(byteCount) bytes",
            { $0 == .invalidArgument ? "a buffer has at least one byte" : nil },
            { () throws(Errno) in try domain.device.context.allocateShared(sizeBytes: byteCount) })
        try self.init(domain, allocation, access)
    }

    private init(
        _ domain: ProtectionDomain, _ allocation: SharedAllocation, _ access: AccessFlags
    ) throws(VerbsError) {
        self.allocation = allocation
        byteCount = allocation.sizeBytes
        region = try MemoryRegion(
            domain, allocation, range: 0..<allocation.sizeBytes, access: access, address: nil)
    }

    /// A part of the buffer, in bytes from its start, for a request.
    public subscript(range: Range<Int>) -> ScatterGatherElement { region[range] }

    /// All of the buffer, for a request; its first 4 GiB - 1 if it is larger.
    public subscript(whole: UnboundedRange) -> ScatterGatherElement { region[whole] }

    /// The buffer as a peer names it, from its first byte on.
    public var remote: RemoteMemory { region.remote }
}

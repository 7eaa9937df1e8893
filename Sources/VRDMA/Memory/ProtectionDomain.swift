internal import Provider

/// A protection domain: queue pairs use the memory regions of their own domain only (ibv_alloc_pd(3), IBA 10.2.3).
///
/// It lives as long as something was made in it.
public final class ProtectionDomain: Sendable {
    /// The device that it belongs to.
    public let device: Device
    let handle: UInt32

    /// Makes a protection domain.
    ///
    /// - Throws: `ENOMEM` at the guest's limit of protection domains, `EIO` when the device is gone.
    public init(_ device: Device) throws(VerbsError) {
        let limit = device.attributes.maxProtectionDomains
        self.device = device
        handle = try explaining(
            "create a protection domain",
            { ErrorTexts.objectLimit($0, "protection domains", limit: limit, key: "protection-domains") },
            { () throws(Errno) in try device.context.allocateProtectionDomain() })
    }

    deinit {
        try? device.context.deallocateProtectionDomain(handle)
    }
}

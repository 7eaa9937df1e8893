internal import Glibc

/// Texts for errors of the host's RDMA device, which the endpoint uses for guests.
enum HostErrorTexts {
    /// Nil for an error that does not come from there.
    ///
    /// - Parameter address: the guest's own.
    static func text(_ error: Errno, address: GID) -> String? {
        switch error.rawValue {
        case EIO:
            "the host's RDMA device failed; see the log of vrdma-endpointd and the kernel's on the host"
        case ENODEV:
            "the host's RDMA device is away; wait for the event portActive, or see 'vrdma status' on the host"
        case ENETDOWN:
            "the port of the host's RDMA device is down; bring its network interface up on the host, or wait for the "
                + "event portActive"
        case EADDRNOTAVAIL:
            "the guest's address \(address) is none that the host's RDMA device has; add it to the device's network "
                + "interface on the host, or give the guest an address that is there"
        case EPERM:
            "the endpoint may not do this on the host; raise its limit of locked memory (LimitMEMLOCK of "
                + "vrdma-endpointd.service)"
        default: nil
        }
    }
}

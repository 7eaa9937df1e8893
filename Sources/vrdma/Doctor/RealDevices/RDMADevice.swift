import Verbs

/// An RDMA device, as sysfs describes it (Documentation/ABI/stable/sysfs-class-infiniband of the kernel).
struct RDMADevice: Hashable {
    /// A port, with the addresses of its GID table.
    struct Port: Hashable {
        var number: Int
        /// `ACTIVE`, `DOWN`, …
        var state: String
        /// `Ethernet` or `InfiniBand`.
        var linkLayer: String
        var addresses: [Address]

        var isActive: Bool { state == "ACTIVE" }

        /// Those that a guest can have: IP addresses that more than this link knows.
        var hostAddresses: [GID] {
            addresses.map(\.gid).filter { !$0.isLinkLocal }.reduce(into: []) {
                if !$0.contains($1) { $0.append($1) }
            }
        }
    }

    /// An entry of a GID table.
    struct Address: Hashable {
        var gid: GID
        /// `RoCE v2`, `IB/RoCE v1`.
        var type: String
        var networkInterface: String?
    }

    /// As ibv_devices(1) names it: `rxe0`.
    var name: String
    /// The name of the libibverbs provider for it, such as `rxe` or `mlx5`; nil when it is not known.
    var provider: String?
    /// The network interface that it belongs to.
    var networkInterface: String?
    /// `uverbs0`; nil as long as ib_uverbs is not loaded.
    var deviceFile: String?
    var ports: [Port]

    func port(_ number: Int) -> Port? {
        ports.first { $0.number == number }
    }
}

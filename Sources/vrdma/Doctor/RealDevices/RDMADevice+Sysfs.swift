import Verbs

extension RDMADevice {
    private static let devicesPath = "/sys/class/infiniband"
    private static let deviceFilesPath = "/sys/class/infiniband_verbs"
    /// The kernel's own tables have at most 1024 entries.
    private static let mostAddresses = 4096

    /// The providers of rdma-core, by the kernel driver of the device's bus.
    private static let providersByDriver = [
        "mlx5_core": "mlx5", "mlx4_core": "mlx4", "ib_mthca": "mthca", "bnxt_en": "bnxt_re", "ice": "irdma",
        "i40e": "irdma", "idpf": "irdma", "qede": "qedr", "cxgb4": "cxgb4", "efa": "efa", "erdma": "erdma",
        "mana": "mana", "hns3": "hns", "hns_roce": "hns", "be2net": "ocrdma", "vmw_pvrdma": "vmw_pvrdma",
        "hfi1": "hfi1verbs", "ib_qib": "ipathverbs", "ionic": "ionic",
    ]

    /// All devices, by name.
    static func all(_ files: SystemFiles) -> [RDMADevice] {
        var deviceFiles: [String: String] = [:]
        for file in files.names(in: deviceFilesPath) where file.hasPrefix("uverbs") {
            if let device = files.line("\(deviceFilesPath)/\(file)/ibdev") { deviceFiles[device] = file }
        }
        return files.names(in: devicesPath).map { read($0, files, deviceFile: deviceFiles[$0]) }
    }

    private static func read(_ name: String, _ files: SystemFiles, deviceFile: String?) -> RDMADevice {
        let path = "\(devicesPath)/\(name)"
        // Only rxe has this attribute: the interface that it was made on.
        let parent = files.line("\(path)/parent")
        let ports = files.names(in: "\(path)/ports").compactMap { Int($0) }.sorted().map {
            port($0, "\(path)/ports/\($0)", files)
        }
        let driver = files.linkName("\(path)/device/driver")
        return RDMADevice(
            name: name, provider: parent != nil ? "rxe" : driver.flatMap { providersByDriver[$0] },
            networkInterface: parent ?? ports.lazy.flatMap(\.addresses).compactMap(\.networkInterface).first
                ?? files.names(in: "\(path)/device/net").first,
            deviceFile: deviceFile, ports: ports)
    }

    private static func port(_ number: Int, _ path: String, _ files: SystemFiles) -> Port {
        let indices = files.names(in: "\(path)/gids").compactMap { Int($0) }.sorted().prefix(mostAddresses)
        let addresses = indices.compactMap { index -> Address? in
            guard let gid = files.line("\(path)/gids/\(index)").flatMap({ GID($0) }), !gid.isZero else { return nil }
            return Address(
                gid: gid, type: files.line("\(path)/gid_attrs/types/\(index)") ?? "",
                networkInterface: files.line("\(path)/gid_attrs/ndevs/\(index)"))
        }
        return Port(
            number: number, state: Self.state(files.line("\(path)/state") ?? ""),
            linkLayer: files.line("\(path)/link_layer") ?? "", addresses: addresses)
    }

    /// `ACTIVE` of `4: ACTIVE`.
    static func state(_ line: String) -> String {
        guard let colon = line.firstIndex(of: ":") else { return line.isEmpty ? "unknown" : line }
        return String(line[line.index(after: colon)...].drop { $0 == " " })
    }
}

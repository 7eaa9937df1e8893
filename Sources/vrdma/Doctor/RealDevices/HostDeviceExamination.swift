import EndpointRuntime
import Service
import Verbs

/// The devices with their ports and addresses, and what the system's endpoint makes of them.
struct HostDeviceExamination {
    let situation: HostSituation

    private static let interfacesPath = "/sys/class/net"
    /// Of container engines, virtual machines and tunnels.
    private static let internalPrefixes = [
        "veth", "docker", "br-", "virbr", "vnet", "tap", "tun", "wg", "cni", "flannel", "cali", "lxc", "lxd", "podman",
    ]
    private var files: SystemFiles { situation.files }

    func findings() -> [Finding] {
        configurationMistakes() + [adapter()].compactMap(\.self) + devices() + guests()
    }

    /// The endpoint does not start with any of them.
    private func configurationMistakes() -> [Finding] {
        let subject = "configuration"
        let path = HostSituation.configurationPath
        guard files.isReadable(path) else {
            // The endpoint may be able to.
            return situation.configurationMistakes.map { .warn(subject, $0, remedy: "vrdma doctor as root") }
        }
        return situation.configurationMistakes.map {
            .missing(subject, $0, remedy: "correct it; then vrdma-endpointd --config \(path) --check-config")
        }
    }

    private func adapter() -> Finding? {
        let subject = "host adapter"
        let path = HostSituation.configurationPath
        guard let configuration = situation.configuration else { return nil }
        guard configuration.host.adapter == .verbs, let name = configuration.host.deviceName else {
            let detail = "none in \(path): guests reach each other only"
            guard let device = situation.devices.first else { return .ok(subject, detail) }
            return .info(subject, detail, remedy: "to reach others: adapter = verbs, device = \(device.name)")
        }
        guard let device = situation.configuredDevice else {
            if let finding = interface(named: name) { return finding }
            let others = situation.devices.map(\.name)
            return .missing(
                subject,
                "verbs on \(name), which does not exist"
                    + (others.isEmpty ? "; there is no device" : "; there are: \(others.joined(separator: ", "))"),
                remedy: others.isEmpty
                    ? makeDevice(name) : "device = \(others[0]) in \(path)\(orMakeDevice(name))")
        }
        let number = configuration.host.devicePort
        guard device.port(number) != nil else {
            return .missing(
                subject, "verbs on \(name) port \(number), which does not exist",
                remedy: "device-port = \(device.ports.first?.number ?? 1) in \(path)")
        }
        return .ok(subject, "verbs on \(name) port \(number)")
    }

    /// What is configured is a network interface; nil when it is none.
    private func interface(named name: String) -> Finding? {
        guard networkInterfaces.contains(name) else { return nil }
        let change = "in \(HostSituation.configurationPath)"
        if let device = situation.devices.first(where: { $0.networkInterface == name }) {
            return .missing(
                "host adapter", "verbs on \(name): \(name) is a network interface; its RDMA device is \(device.name)",
                remedy: "device = \(device.name) \(change)")
        }
        let names = Set(situation.devices.map(\.name))
        let free = (0...names.count).map { "rxe\($0)" }.first { !names.contains($0) } ?? "rxe0"
        return .missing(
            "host adapter", "verbs on \(name): \(name) is a network interface, and has no RDMA device",
            remedy: "\(makeDevice(free, on: name)), and device = \(free) \(change)")
    }

    private func devices() -> [Finding] {
        guard !situation.devices.isEmpty else {
            return [
                situation.problem(
                    "RDMA devices", "none",
                    remedy: "with RDMA hardware, load its driver; without, soft-RoCE: \(makeDevice("rxe0"))")
            ]
        }
        return situation.devices.flatMap { device in device.ports.map { port(of: device, $0) } }
    }

    private func port(of device: RDMADevice, _ port: RDMADevice.Port) -> Finding {
        let subject = "device \(device.name)"
        let interface = device.networkInterface
        let place = "port \(port.number) \(port.state), \(port.linkLayer)\(interface.map { " on \($0)" } ?? "")"
        guard port.isActive else {
            return problem(
                device, port, subject, place,
                remedy: interface.map { "ip link set \($0) up, and connect it" } ?? "connect it: rdma link show")
        }
        let addresses = port.hostAddresses
        guard !addresses.isEmpty else {
            return problem(
                device, port, subject, "\(place), without an address for guests",
                remedy: "ip address add ADDRESS/PREFIX dev \(interface ?? "INTERFACE")")
        }
        return .ok(subject, "\(place), addresses \(addresses.map(\.description).joined(separator: ", "))")
    }

    /// A port that no endpoint is to use may be as it is.
    private func problem(
        _ device: RDMADevice, _ port: RDMADevice.Port, _ subject: String, _ detail: String, remedy: String
    ) -> Finding {
        if let host = situation.configuration?.host, host.adapter == .verbs,
            host.deviceName != device.name || host.devicePort != port.number
        {
            return .info(subject, "\(detail); the endpoint uses another", remedy: remedy)
        }
        return situation.problem(subject, detail, remedy: remedy)
    }

    /// A guest's requests leave the device from the guest's address, so the device must have it.
    private func guests() -> [Finding] {
        guard let host = situation.configuration?.host, let device = situation.configuredDevice,
            let port = device.port(host.devicePort)
        else { return [] }
        return addressesOfGuests().filter { !port.addresses.map(\.gid).contains($0.address) }.map { guest in
            // The interfaces of this machine say nothing of another system's.
            let known = files.root.isEmpty ? device.networkInterface : nil
            return .missing(
                "guest \(guest.name)", "its address \(guest.address) is none of \(device.name)",
                remedy: "ip address add \(InterfacePrefix.notation(guest.address, ofInterface: known)) "
                    + "dev \(device.networkInterface ?? "INTERFACE")")
        }
    }

    /// The guests that the configuration of the endpoint and of the guest drivers knows, by name.
    private func addressesOfGuests() -> [(name: String, address: GID)] {
        var addresses: [String: GID] = [:]
        let directory = HostSituation.guestsPath
        for file in files.names(in: directory) where file.hasSuffix(".conf") {
            guard let text = try? ConfigurationFile(readingFrom: "\(files.root)\(directory)/\(file)"),
                let guest = try? GuestConfiguration(text)
            else { continue }
            addresses[guest.name] = guest.address
        }
        for guest in situation.configuration?.guests ?? [] {
            if let address = guest.address { addresses[guest.name] = address }
        }
        return addresses.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    private var networkInterfaces: [String] {
        files.names(in: Self.interfacesPath).filter { files.exists("\(Self.interfacesPath)/\($0)/mtu") }
    }

    /// Where to make a device of soft-RoCE: on hardware rather than on what other software made for itself, and on
    /// what is up.
    private func interfaceForDevice() -> String? {
        let used = Set(situation.devices.compactMap(\.networkInterface))
        func rank(_ name: String) -> Int {
            let path = "\(Self.interfacesPath)/\(name)"
            let isHardware = files.exists("\(path)/device")
            let isInternal = files.exists("\(path)/bridge") || Self.internalPrefixes.contains { name.hasPrefix($0) }
            let isDown = files.line("\(path)/operstate") == "down"
            return (isHardware ? 0 : isInternal ? 4 : 2) + (isDown ? 1 : 0)
        }
        return networkInterfaces.filter { $0 != "lo" && !used.contains($0) }.min { (rank($0), $0) < (rank($1), $1) }
    }

    private func orMakeDevice(_ name: String) -> String {
        interfaceForDevice().map { ", or: \(makeDevice(name, on: $0))" } ?? ""
    }

    private func makeDevice(_ name: String, on interface: String? = nil) -> String {
        "rdma link add \(name) type rxe netdev \(interface ?? interfaceForDevice() ?? "INTERFACE")"
    }
}

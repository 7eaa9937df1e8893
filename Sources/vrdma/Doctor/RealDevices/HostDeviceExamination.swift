import Service
import Verbs

/// The devices with their ports and addresses, and what the system's endpoint makes of them.
struct HostDeviceExamination {
    let situation: HostSituation

    private var files: SystemFiles { situation.files }

    func findings() -> [Finding] {
        [adapter()].compactMap(\.self) + devices() + guests()
    }

    private func adapter() -> Finding? {
        let subject = "host adapter"
        let path = HostSituation.configurationPath
        if let mistake = situation.configurationMistake {
            return .warn(subject, mistake, remedy: "vrdma-endpointd --config \(path) --check-config")
        }
        guard let configuration = situation.configuration else { return nil }
        guard configuration.host.adapter == .verbs, let name = configuration.host.deviceName else {
            let detail = "none in \(path): guests reach each other only"
            guard let device = situation.devices.first else { return .ok(subject, detail) }
            return .info(subject, detail, remedy: "to reach others: adapter = verbs, device = \(device.name)")
        }
        guard let device = situation.configuredDevice else {
            let others = situation.devices.map(\.name)
            return .missing(
                subject,
                "verbs on \(name), which does not exist"
                    + (others.isEmpty ? "; there is no device" : "; there are: \(others.joined(separator: ", "))"),
                remedy: others.isEmpty
                    ? makeDevice(name) : "device = \(others[0]) in \(path), or: \(makeDevice(name))")
        }
        let number = configuration.host.devicePort
        guard device.port(number) != nil else {
            return .missing(
                subject, "verbs on \(name) port \(number), which does not exist",
                remedy: "device-port = \(device.ports.first?.number ?? 1) in \(path)")
        }
        return .ok(subject, "verbs on \(name) port \(number)")
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
            .missing(
                "guest \(guest.name)", "its address \(guest.address) is none of \(device.name)",
                remedy: "ip address add \(guest.address)/PREFIX dev \(device.networkInterface ?? "INTERFACE")")
        }
    }

    /// The guests that the configuration of the endpoint and of the guest drivers knows, by name.
    private func addressesOfGuests() -> [(name: String, address: GID)] {
        var addresses: [String: GID] = [:]
        let directory = "/etc/vrdma/guests"
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

    private func makeDevice(_ name: String) -> String {
        let interface = files.names(in: "/sys/class/net").first { $0 != "lo" } ?? "INTERFACE"
        return "rdma link add \(name) type rxe netdev \(interface)"
    }
}

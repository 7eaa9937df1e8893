import Endpoint
import Service
import Verbs

/// The host adapter's device in words, for the log.
struct HostDescription {
    let adapter: String
    let device: String
    let port: Int

    init(_ adapter: any HostAdapter, port: Int) {
        self.adapter = adapter.name
        device = adapter.attributes.deviceName
        self.port = port
    }

    /// The adapter with its device and port.
    var fields: [LogRecord.Field] {
        [.init("adapter", adapter), .init("device", device), .init("port", port)]
    }

    /// The port's state and addresses.
    static func fields(_ port: HostPortAttributes) -> [LogRecord.Field] {
        [
            .init("state", stateName(port.state)), .init("mtu", mtuBytes(port.activeMTU)),
            .init("addresses", port.addresses.map(\.description).joined(separator: " ")),
        ]
    }

    /// The name of a value of `enum ibv_port_state`.
    static func stateName(_ state: UInt32) -> String {
        switch state {
        case 0: "NOP"
        case 1: "DOWN"
        case 2: "INIT"
        case 3: "ARMED"
        case 4: "ACTIVE"
        case 5: "ACTIVE_DEFER"
        default: "\(state)"
        }
    }

    /// The bytes of a value of `enum ibv_mtu`.
    private static func mtuBytes(_ mtu: UInt32) -> Int {
        (1...5).contains(mtu) ? 128 << Int(mtu) : 0
    }

    /// What gives the device an address.
    func remedy(for address: GID) -> String {
        let interface = networkInterface
        return "ip address add \(InterfacePrefix.notation(address, ofInterface: interface)) "
            + "dev \(interface ?? "INTERFACE")"
    }

    /// The network interface of the device's first address, as sysfs says now.
    private var networkInterface: String? {
        guard HostDeviceName.isValid(device) else { return nil }
        let path = "/sys/class/infiniband/\(device)/ports/\(port)/gid_attrs/ndevs/0"
        guard let text = SmallFile.text(path, limitBytes: 64) else { return nil }
        return text.split(whereSeparator: \.isNewline).first.map(String.init)
    }
}

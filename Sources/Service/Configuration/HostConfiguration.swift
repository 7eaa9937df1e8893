/// The way to peers that are not guests of this endpoint: the keys `adapter`, `device`, `device-port` and `local-path`.
package struct HostConfiguration: Hashable, Sendable {
    /// What carries out the work requests towards such peers.
    package enum Adapter: String, CaseIterable, Sendable {
        /// There is none: guests reach each other only.
        case none
        /// An RDMA device of this host, through its libibverbs.
        case verbs
    }

    /// The kind of adapter.
    package var adapter = Adapter.none
    /// The device of the adapter `verbs`, as ibv_devices(1) names it.
    package var deviceName: String?
    /// The device's port, counted from 1.
    package var devicePort = 1
    /// Whether guests of this endpoint reach each other in memory, rather than through the device.
    package var usesLocalPath = true

    /// Creates the default: there is no such way.
    package init() {}

    static let settings: [ConfigurationSetting<HostConfiguration>] = [
        adapterSetting,
        .deviceName("device", \.deviceName),
        .count("device-port", \.devicePort, in: 1...255),
        .flag("local-path", \.usesLocalPath),
    ]

    private static let adapterSetting = ConfigurationSetting<HostConfiguration>(
        "adapter", \.adapter, permitted: Adapter.allCases.map(\.rawValue).joined(separator: ", "),
        parse: { (text) throws(ConfigurationValueError) in
            if text == "rocev2" {
                throw ConfigurationValueError(problem: "the adapter '\(text)' is not available in this version")
            }
            return try ConfigurationValue.choice(text, of: Adapter.self)
        },
        format: { $0.rawValue })

    /// What each value alone cannot tell.
    func checkTogether(_ reader: inout ConfigurationReader, section: String) {
        func line(_ key: String) -> Int { reader.line(of: key, in: section) }
        switch adapter {
        case .verbs:
            if deviceName == nil, line("device") == 0 {
                reader.note(
                    line("adapter"), key: "adapter", "'verbs' needs a device",
                    remedy: "add 'device = NAME' to [\(section)]: one that ibv_devices or vrdma doctor lists")
            }
        case .none:
            // An adapter that could not be read is a mistake already.
            guard line("adapter") == 0 || reader.value(of: "adapter", in: section) == Adapter.none.rawValue else {
                return
            }
            for key in ["device", "device-port"] where line(key) != 0 {
                reader.note(
                    line(key), key: key, "is of no use without an adapter",
                    remedy: "add 'adapter = verbs', or remove it")
            }
            if !usesLocalPath {
                reader.note(
                    line("local-path"), key: "local-path", "leaves guests no way to each other",
                    remedy: "add 'adapter = verbs' and a device, or write 'local-path = yes'")
            }
        }
    }
}

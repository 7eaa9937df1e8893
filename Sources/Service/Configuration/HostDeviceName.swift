/// The rule for the names of RDMA devices.
///
/// The kernel takes any file name of at most 63 bytes (IB_DEVICE_NAME_MAX); those that udev and `rdma link add` give
/// consist of these characters.
package enum HostDeviceName {
    /// Longest name.
    package static let maximumBytes = 63
    /// The rule, for a person.
    package static let permitted =
        "the name of an RDMA device such as rxe0 or mlx5_0: 1 to \(maximumBytes) letters, digits, '-', '_', '.' or "
        + "':', beginning with a letter or digit"

    /// Whether the text may name a device.
    package static func isValid(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= maximumBytes else { return false }
        return ConfigurationValue.isAlphanumeric(first)
            && text.utf8.allSatisfy { ConfigurationValue.isAlphanumeric($0) || "-_.:".utf8.contains($0) }
    }
}

extension ConfigurationSetting {
    static func deviceName(_ key: String, _ path: SettingPath<Root, String?>) -> Self {
        Self(
            key, path, permitted: HostDeviceName.permitted,
            parse: { (text) throws(ConfigurationValueError) in
                guard HostDeviceName.isValid(text) else {
                    throw ConfigurationValueError(problem: "'\(text)' cannot name a device")
                }
                return text
            },
            format: { $0 ?? "" })
    }
}

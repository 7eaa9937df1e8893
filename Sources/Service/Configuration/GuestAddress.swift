import Verbs

/// The rule for the addresses of guests: a guest's address is its GID.
package enum GuestAddress {
    /// The rule, for a person.
    package static let permitted = "one host's IPv4 or IPv6 address, such as 10.0.0.1 or fd00::1"

    /// The address as a GID (IPv4 mapped into IPv6); nil when the text is not the address of one host.
    package static func parse(_ text: String) -> GID? {
        guard let address = GID(text), !address.isZero, !address.isMulticast else { return nil }
        if address.isIPv4Mapped {
            // 0.0.0.0/8 means "this network", 224.0.0.0/3 is multicast, reserved and broadcast (RFC 6890).
            let firstByte = (address.lower >> 24) & 0xff
            guard firstByte != 0, firstByte < 224 else { return nil }
        }
        return address
    }
}

extension ConfigurationSetting {
    static func address(
        _ key: String, _ path: SettingPath<Root, GID?>, isReloadable: Bool = false
    ) -> Self {
        Self(
            key, path, permitted: GuestAddress.permitted, isReloadable: isReloadable,
            parse: { (text) throws(ConfigurationValueError) in
                guard let address = GuestAddress.parse(text) else {
                    throw ConfigurationValueError(problem: "'\(text)' is not the address of a host")
                }
                return address
            },
            format: { $0?.description ?? "" })
    }
}

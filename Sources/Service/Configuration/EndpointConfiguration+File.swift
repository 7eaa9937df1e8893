import Verbs

extension EndpointConfiguration {
    static let endpointSettings: [ConfigurationSetting<EndpointConfiguration>] =
        [
            .socketPath("socket", \.socketPath),
            .socketPath("admin-socket", \.adminSocketPath),
            SocketAccess.mode("admin-mode", \.adminSocketMode),
            .choice("guests", \.admission, isReloadable: true),
        ] + HostConfiguration.settings.map { $0.lifted(to: \.host) }
        + SocketAccess.settings.map { $0.lifted(to: \.socketAccess) }
        + EndpointTotals.settings.map { $0.lifted(to: \.totals) }

    static let guestSettings: [ConfigurationSetting<Guest>] =
        [
            .address("address", \.address, isReloadable: true),
            .account("user", \.user, isReloadable: true),
        ] + GuestLimits.settings.map { $0.lifted(to: \.limits) }

    /// Every setting outside `[guest NAME]` with the name of its section.
    static let sections: [(name: String, settings: [ConfigurationSetting<EndpointConfiguration>])] = [
        ("endpoint", endpointSettings),
        ("log", LogConfiguration.settings.map { $0.lifted(to: \.log) }),
        ("limits", GuestLimits.settings.map { $0.lifted(to: \.limits) }),
        ("engine", EngineConfiguration.settings.map { $0.lifted(to: \.engine) }),
    ]

    /// Reads and checks a parsed file.
    ///
    /// - Throws: all mistakes of the file, those of its syntax included.
    package init(_ file: ConfigurationFile) throws(ConfigurationError) {
        self.init()
        var reader = ConfigurationReader(file)
        reader.requireSections(plain: Self.sections.map(\.name), named: ["guest"])
        for section in Self.sections {
            reader.read(section.name, section.settings, into: &self)
        }
        // A guest's limits begin as the endpoint's, wherever in the file those stand.
        for section in file.sections where section.name == "guest" {
            guard let name = section.argument else { continue }
            var guest = Guest(name: name, user: .name("vrdma-\(name)"), limits: limits, line: section.line)
            if !GuestName.isValid(name) {
                reader.note(section.line, "'\(name)' cannot name a guest", remedy: "permitted: \(GuestName.permitted)")
            }
            reader.read(section, Self.guestSettings, into: &guest)
            guests.append(guest)
        }
        checkTogether(&reader)
        try reader.throwIfAnyMistake()
    }

    /// What each value alone cannot tell.
    private func checkTogether(_ reader: inout ConfigurationReader) {
        if socketPath == adminSocketPath {
            reader.note(
                reader.line(of: "admin-socket", in: "endpoint"), key: "admin-socket", "is the same path as 'socket'",
                remedy: "give each socket a path of its own")
        }
        host.checkTogether(&reader, section: "endpoint")
        if admission == .listed, guests.isEmpty {
            reader.note(
                reader.line(of: "guests", in: "endpoint"), key: "guests", "no guest is listed",
                remedy: "add a [guest NAME] section, or write 'guests = any'")
        }
        if guests.count > totals.guests {
            reader.note(
                reader.line(of: "maximum-guests", in: "endpoint"), key: "maximum-guests",
                "\(guests.count) guests are listed, but \(totals.guests) are permitted")
        }
        var namesByAddress: [GID: String] = [:]
        for guest in guests {
            guard let address = guest.address else { continue }
            if let other = namesByAddress[address] {
                reader.note(guest.line, key: "address", "\(address) belongs to guest '\(other)' already")
            } else {
                namesByAddress[address] = guest.name
            }
        }
    }

    /// The keys whose values differ from `old`, as `section/key`, with whether a running endpoint takes them over.
    package func changes(from old: EndpointConfiguration) -> [ConfigurationChange] {
        var changes = ConfigurationChange.between(old, self, Self.sections)
        if guests.map(Self.withoutLine) != old.guests.map(Self.withoutLine) {
            changes.append(ConfigurationChange(key: "guest", isReloadable: true))
        }
        return changes
    }

    private static func withoutLine(_ guest: Guest) -> Guest {
        var guest = guest
        guest.line = 0
        return guest
    }
}

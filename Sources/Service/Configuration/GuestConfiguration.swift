import Verbs

/// The configuration of a guest driver (`vrdma-guest.conf(5)`).
package struct GuestConfiguration: Sendable {
    /// The guest's name.
    package var name: String
    /// The guest's address, which is its GID.
    package var address: GID?
    /// The endpoint's socket.
    package var endpointSocketPath = "/run/vrdma/endpoint.sock"
    /// The socket that applications connect to.
    package var applicationSocketPath: String
    /// Owner, group and mode of the applications' socket.
    package var socketAccess = SocketAccess()
    /// Applications at one time.
    package var maximumApplications = 1024
    /// Time after which a command without an answer from the endpoint fails.
    package var commandTimeoutNanoseconds = 10_000_000_000
    /// The same for the registration of memory and its end.
    package var registrationTimeoutNanoseconds = 300_000_000_000
    /// The log.
    package var log = LogConfiguration()

    /// Creates the default configuration of a guest.
    package init(name: String, address: GID?) {
        self.name = name
        self.address = address
        applicationSocketPath = Self.applicationSocketPath(of: name)
    }

    /// Where the applications of a guest find its driver unless its configuration says otherwise.
    package static func applicationSocketPath(of name: String) -> String {
        "/run/vrdma/guests/\(name).sock"
    }

    static let guestSettings: [ConfigurationSetting<GuestConfiguration>] =
        [
            ConfigurationSetting(
                "name", \.name, permitted: GuestName.permitted,
                parse: { (text) throws(ConfigurationValueError) in try GuestName.parse(text) }, format: { $0 }),
            .address("address", \.address),
            .socketPath("endpoint-socket", \.endpointSocketPath),
            .socketPath("socket", \.applicationSocketPath),
            .count("maximum-applications", \.maximumApplications, in: 1...65536, isReloadable: true),
            .duration(
                "command-timeout", nanoseconds: \.commandTimeoutNanoseconds, in: 100_000_000...600_000_000_000),
            .duration(
                "registration-timeout", nanoseconds: \.registrationTimeoutNanoseconds,
                in: 100_000_000...3_600_000_000_000),
        ] + SocketAccess.settings.map { $0.lifted(to: \.socketAccess) }

    static let sections: [(name: String, settings: [ConfigurationSetting<GuestConfiguration>])] = [
        ("guest", guestSettings),
        ("log", LogConfiguration.settings.map { $0.lifted(to: \.log) }),
    ]

    /// Reads and checks a parsed file.
    ///
    /// The guest is named by the key `name`, or else as the file is without its last extension.
    ///
    /// - Throws: all mistakes of the file, those of its syntax included.
    package init(_ file: ConfigurationFile) throws(ConfigurationError) {
        self.init(name: "", address: nil)
        applicationSocketPath = ""
        var reader = ConfigurationReader(file)
        reader.requireSections(plain: Self.sections.map(\.name))
        for section in Self.sections {
            reader.read(section.name, section.settings, into: &self)
        }
        if name.isEmpty {
            let stem = Self.stem(of: file.path)
            if GuestName.isValid(stem) {
                name = stem
            } else if reader.line(of: "name", in: "guest") == 0 {
                reader.note(
                    0, key: "name", "the file's name, '\(stem)', cannot name a guest",
                    remedy: "add 'name = …' to [guest]: \(GuestName.permitted)")
            }
        }
        if applicationSocketPath.isEmpty {
            applicationSocketPath = Self.applicationSocketPath(of: name)
        }
        if address == nil, reader.line(of: "address", in: "guest") == 0 {
            reader.note(
                0, key: "address", "is missing", remedy: "add 'address = …' to [guest]: \(GuestAddress.permitted)")
        }
        if applicationSocketPath == endpointSocketPath {
            reader.note(
                reader.line(of: "socket", in: "guest"), key: "socket", "is the endpoint's socket",
                remedy: "give the applications' socket a path of its own")
        }
        try reader.throwIfAnyMistake()
    }

    /// The keys whose values differ from `old`, with whether a running guest driver takes them over.
    package func changes(from old: GuestConfiguration) -> [ConfigurationChange] {
        ConfigurationChange.between(old, self, Self.sections)
    }

    private static func stem(of path: String) -> String {
        let last = path.split(separator: "/").last ?? ""
        guard let dot = last.lastIndex(of: "."), dot != last.startIndex else { return String(last) }
        return String(last[..<dot])
    }
}

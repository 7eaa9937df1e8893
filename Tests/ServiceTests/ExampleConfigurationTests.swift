import Testing

@testable import Service

/// The examples that are installed: they must be valid, complete, and tell the truth about the defaults.
@Suite struct ExampleConfigurationTests {
    /// Keys whose default depends on where the daemon runs, so that the example shows some value.
    private static let withoutDefault: Set<String> = ["owner", "group", "name", "address", "device"]

    private static func example(_ name: String) throws -> (text: String, path: String) {
        let path = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/configs/\(name)"
        return (try ConfigurationFile.text(readingFrom: path), path)
    }

    /// The example with every `#key = value` and `#[section]` in force.
    private static func uncommented(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            let rest = line.dropFirst()
            return line.first == "#" && rest.first != " " && !rest.isEmpty ? rest : line
        }.joined(separator: "\n")
    }

    private static func requireEveryKey<Root>(
        _ settings: [ConfigurationSetting<Root>], of section: ConfigurationFile.Section, defaults: Root
    ) {
        for setting in settings {
            let entry = section.entries.first { $0.key == setting.key }
            #expect(entry != nil, "\(section.heading) \(setting.key) is missing in the example")
            if let entry, !withoutDefault.contains(setting.key) {
                #expect(entry.value == setting.render(defaults), "\(section.heading) \(setting.key)")
            }
        }
        #expect(section.entries.count == settings.count, "\(section.heading)")
    }

    @Test func theEndpointExampleIsTheDefault() throws {
        let (text, path) = try Self.example("endpoint.conf")
        let configuration = try EndpointConfiguration(ConfigurationFile(parsing: text, path: path))
        #expect(configuration.changes(from: EndpointConfiguration()).isEmpty)
    }

    @Test func theEndpointExampleHasEveryKeyWithItsDefault() throws {
        let (text, path) = try Self.example("endpoint.conf")
        let file = ConfigurationFile(parsing: Self.uncommented(text), path: path)
        // With the default adapter a device would be a mistake.
        let usable = Self.uncommented(text).replacing("\nadapter = none\n", with: "\nadapter = verbs\n")
        let configuration = try EndpointConfiguration(ConfigurationFile(parsing: usable, path: path))
        for section in EndpointConfiguration.sections {
            let found = try #require(file.sections.first { $0.name == section.name })
            Self.requireEveryKey(section.settings, of: found, defaults: EndpointConfiguration())
        }
        let guest = try #require(file.sections.first { $0.name == "guest" })
        #expect(guest.entries.map(\.key) == ["address", "user", "queue-pairs"])
        #expect(configuration.guests.first?.user == .name("vrdma-blue"))
    }

    @Test func theGuestExampleHasEveryKeyWithItsDefault() throws {
        let (text, path) = try Self.example("guest.conf")
        let plain = try GuestConfiguration(ConfigurationFile(parsing: text, path: path))
        #expect(plain.changes(from: GuestConfiguration(name: "guest", address: plain.address)).isEmpty)

        let file = ConfigurationFile(parsing: Self.uncommented(text), path: path)
        let configuration = try GuestConfiguration(file)
        for section in GuestConfiguration.sections {
            let found = try #require(file.sections.first { $0.name == section.name })
            Self.requireEveryKey(section.settings, of: found, defaults: plain)
        }
        #expect(configuration.name == "guest")
    }
}

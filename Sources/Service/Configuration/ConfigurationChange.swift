/// A key whose value changed between two readings of a configuration.
package struct ConfigurationChange: Hashable, Sendable {
    /// `section/key`.
    package var key: String
    /// Whether a running daemon takes the new value over; otherwise it needs a restart.
    package var isReloadable: Bool

    static func between<Root>(
        _ old: Root, _ new: Root, _ sections: [(name: String, settings: [ConfigurationSetting<Root>])]
    ) -> [ConfigurationChange] {
        sections.flatMap { section in
            section.settings.filter { $0.render(old) != $0.render(new) }
                .map { ConfigurationChange(key: "\(section.name)/\($0.key)", isReloadable: $0.isReloadable) }
        }
    }
}

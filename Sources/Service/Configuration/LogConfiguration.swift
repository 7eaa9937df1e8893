/// The `[log]` section, which both daemons have.
package struct LogConfiguration: Hashable, Sendable {
    /// Messages below this level are not written.
    package var level = LogLevel.info
    /// Where and how messages are written.
    package var format = LogFormat.automatic

    /// Creates the default: `info`, to the journal or to standard error.
    package init() {}

    static let settings: [ConfigurationSetting<LogConfiguration>] = [
        .choice("level", \.level, isReloadable: true),
        .choice("format", \.format),
    ]
}

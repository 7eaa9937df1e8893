/// Where in a configuration the value of a key is kept.
typealias SettingPath<Root, Value> = any WritableKeyPath<Root, Value> & Sendable

/// One key of a configuration file: how its value is read into `Root` and written from it.
package struct ConfigurationSetting<Root>: Sendable {
    /// Reads the text of a value into its place.
    typealias Assign = @Sendable (String, inout Root) throws(ConfigurationValueError) -> Void

    /// The key as it stands in the file.
    package let key: String
    /// The permitted values, for a person.
    package let permitted: String
    /// Whether a running daemon takes a changed value over; otherwise it needs a restart.
    package let isReloadable: Bool

    let assign: Assign
    /// Writes the value as `assign` would read it.
    let render: @Sendable (Root) -> String

    /// A setting of any type.
    ///
    /// - Parameters:
    ///   - parse: reads the value of a file, or throws what is wrong with it.
    ///   - format: writes the value back, so that `parse` reads the same.
    init<Value>(
        _ key: String, _ path: SettingPath<Root, Value>, permitted: String, isReloadable: Bool = false,
        parse: @escaping @Sendable (String) throws(ConfigurationValueError) -> Value,
        format: @escaping @Sendable (Value) -> String
    ) {
        self.init(
            key: key, permitted: permitted, isReloadable: isReloadable,
            assign: { (text, root) throws(ConfigurationValueError) in root[keyPath: path] = try parse(text) },
            render: { format($0[keyPath: path]) })
    }

    init(
        key: String, permitted: String, isReloadable: Bool, assign: @escaping Assign,
        render: @escaping @Sendable (Root) -> String
    ) {
        self.key = key
        self.permitted = permitted
        self.isReloadable = isReloadable
        self.assign = assign
        self.render = render
    }

    /// The same setting of a value that contains `Root`.
    func lifted<Outer>(to path: SettingPath<Outer, Root>) -> ConfigurationSetting<Outer> {
        let (assign, render) = (assign, render)
        return ConfigurationSetting<Outer>(
            key: key, permitted: permitted, isReloadable: isReloadable,
            assign: { (text, outer) throws(ConfigurationValueError) in try assign(text, &outer[keyPath: path]) },
            render: { render($0[keyPath: path]) })
    }
}

extension ConfigurationSetting {
    static func count(
        _ key: String, _ path: SettingPath<Root, Int>, in range: ClosedRange<Int>,
        isReloadable: Bool = false
    ) -> Self {
        Self(
            key, path, permitted: "a whole number from \(range.lowerBound) to \(range.upperBound)",
            isReloadable: isReloadable,
            parse: { (text) throws(ConfigurationValueError) in try ConfigurationValue.count(text, in: range) },
            format: { String($0) })
    }

    static func size(
        _ key: String, bytes path: SettingPath<Root, Int>, in range: ClosedRange<Int>,
        isReloadable: Bool = false
    ) -> Self {
        let limits = [range.lowerBound, range.upperBound].map(ConfigurationUnits.size(bytes:))
        return Self(
            key, path,
            permitted: "a size from \(limits[0]) to \(limits[1]), in bytes or with K, M, G, T (powers of 1024)",
            isReloadable: isReloadable,
            parse: { (text) throws(ConfigurationValueError) in try ConfigurationValue.sizeBytes(text, in: range) },
            format: ConfigurationUnits.size(bytes:))
    }

    static func duration(
        _ key: String, nanoseconds path: SettingPath<Root, Int>, in range: ClosedRange<Int>
    ) -> Self {
        let limits = [range.lowerBound, range.upperBound].map(ConfigurationUnits.duration(nanoseconds:))
        return Self(
            key, path, permitted: "a duration from \(limits[0]) to \(limits[1]), with ns, us, ms, s or min",
            parse: { (text) throws(ConfigurationValueError) in
                try ConfigurationValue.durationNanoseconds(text, in: range)
            },
            format: ConfigurationUnits.duration(nanoseconds:))
    }

    static func choice<Choice: RawRepresentable & CaseIterable & Sendable>(
        _ key: String, _ path: SettingPath<Root, Choice>, isReloadable: Bool = false
    ) -> Self where Choice.RawValue == String {
        Self(
            key, path, permitted: Choice.allCases.map(\.rawValue).joined(separator: ", "), isReloadable: isReloadable,
            parse: { (text) throws(ConfigurationValueError) in
                try ConfigurationValue.choice(text, of: Choice.self)
            },
            format: { $0.rawValue })
    }

    static func flag(_ key: String, _ path: SettingPath<Root, Bool>) -> Self {
        Self(
            key, path, permitted: "yes, no",
            parse: { (text) throws(ConfigurationValueError) in try ConfigurationValue.flag(text) },
            format: { $0 ? "yes" : "no" })
    }

    static func socketPath(_ key: String, _ path: SettingPath<Root, String>) -> Self {
        Self(
            key, path, permitted: "an absolute path of at most 107 bytes",
            parse: { (text) throws(ConfigurationValueError) in try ConfigurationValue.socketPath(text) },
            format: { $0 })
    }
}

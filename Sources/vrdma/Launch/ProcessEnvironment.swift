import Glibc

/// The environment variables that `vrdma` reads, and those that it sets.
enum ProcessEnvironment {
    /// A variable's value; nil when it is not set or empty.
    static func value(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        let text = String(cString: value)
        return text.isEmpty ? nil : text
    }

    /// `NAME=value` of all variables, with some replaced or removed (nil).
    static func variables(replacing changes: [(name: String, value: String?)]) -> [String] {
        var result: [String] = []
        var next = environ
        while let entry = next.pointee {
            let text = String(cString: entry)
            if !changes.contains(where: { text.hasPrefix("\($0.name)=") }) { result.append(text) }
            next += 1
        }
        for change in changes {
            if let value = change.value { result.append("\(change.name)=\(value)") }
        }
        return result
    }
}

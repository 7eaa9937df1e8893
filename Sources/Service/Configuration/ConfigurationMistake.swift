/// One mistake in a configuration file: where it is, what is wrong and what would be right.
package struct ConfigurationMistake: Hashable, Sendable, CustomStringConvertible {
    /// The file as the user named it.
    package var file: String
    /// The line, counted from 1; 0 when the whole file is meant (unreadable, or a required key is missing).
    package var line: Int
    /// The key, or empty when the mistake is not about one.
    package var key: String
    /// What is wrong.
    package var problem: String
    /// The values that are permitted, or another remedy; may be empty.
    package var remedy: String

    /// Creates a mistake from its parts.
    package init(file: String, line: Int, key: String = "", problem: String, remedy: String = "") {
        self.file = file
        self.line = line
        self.key = key
        self.problem = problem
        self.remedy = remedy
    }

    /// `FILE:LINE: KEY: what is wrong; the remedy`, in the form that editors understand.
    package var description: String {
        var text = line > 0 ? "\(file):\(line): " : "\(file): "
        if !key.isEmpty { text += "\(key): " }
        text += problem
        if !remedy.isEmpty { text += "; \(remedy)" }
        return text
    }
}

/// All mistakes of a configuration file.
package struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    /// At least one mistake, in the order of their lines.
    package let mistakes: [ConfigurationMistake]
    /// How many more there are than are listed.
    package let unlistedCount: Int

    /// Creates an error from at least one mistake; they are put in the order of their lines.
    package init(_ mistakes: [ConfigurationMistake], unlistedCount: Int = 0) {
        self.mistakes = mistakes.enumerated()
            .sorted { ($0.element.line, $0.offset) < ($1.element.line, $1.offset) }
            .map(\.element)
        self.unlistedCount = unlistedCount
    }

    /// One mistake a line.
    package var description: String {
        var lines = mistakes.map(\.description)
        if unlistedCount > 0 { lines.append("… and \(unlistedCount) more mistakes") }
        return lines.joined(separator: "\n")
    }
}

/// Collects the mistakes of one file, a bounded number of them.
struct ConfigurationMistakes: Sendable {
    /// Mistakes beyond this number are counted, not kept.
    static let maximumListed = 100

    let file: String
    private(set) var listed: [ConfigurationMistake] = []
    private(set) var unlistedCount = 0

    init(file: String) {
        self.file = file
    }

    mutating func note(_ line: Int, key: String = "", _ problem: String, remedy: String = "") {
        guard listed.count < Self.maximumListed else {
            unlistedCount += 1
            return
        }
        // Names and values come from the file: a mistake quotes them, so it must not repeat a whole long line.
        listed.append(
            ConfigurationMistake(
                file: file, line: line, key: Self.shortened(key), problem: Self.shortened(problem), remedy: remedy))
    }

    func throwIfAny() throws(ConfigurationError) {
        if !listed.isEmpty { throw ConfigurationError(listed, unlistedCount: unlistedCount) }
    }

    private static func shortened(_ text: String) -> String {
        text.utf8.count <= 300 ? text : text.prefix(300) + "…"
    }
}

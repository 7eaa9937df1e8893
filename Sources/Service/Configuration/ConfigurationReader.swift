/// Reads the sections of a parsed file into typed values and collects every mistake on the way.
struct ConfigurationReader {
    let file: ConfigurationFile
    private(set) var mistakes: ConfigurationMistakes

    init(_ file: ConfigurationFile) {
        self.file = file
        mistakes = file.mistakes
    }

    /// Notes sections that do not exist, and names where none (or the opposite) is expected.
    mutating func requireSections(plain: [String], named: [String] = []) {
        for section in file.sections {
            if plain.contains(section.name) {
                guard section.argument != nil else { continue }
                mistakes.note(section.line, "\(section.heading) takes no name", remedy: "write [\(section.name)]")
            } else if named.contains(section.name) {
                guard section.argument == nil else { continue }
                mistakes.note(section.line, "\(section.heading) needs a name", remedy: "write [\(section.name) NAME]")
            } else {
                let headings = plain.map { "[\($0)]" } + named.map { "[\($0) NAME]" }
                mistakes.note(
                    section.line, "unknown section \(section.heading)",
                    remedy: Self.suggestion(section.name, among: plain + named, all: headings))
            }
        }
    }

    /// Reads the section without a name, if the file has it.
    mutating func read<Root>(_ name: String, _ settings: [ConfigurationSetting<Root>], into root: inout Root) {
        if let section = file.sections.first(where: { $0.name == name && $0.argument == nil }) {
            read(section, settings, into: &root)
        }
    }

    /// Reads one section.
    mutating func read<Root>(
        _ section: ConfigurationFile.Section, _ settings: [ConfigurationSetting<Root>], into root: inout Root
    ) {
        for entry in section.entries {
            guard let setting = settings.first(where: { $0.key == entry.key }) else {
                mistakes.note(
                    entry.line, key: entry.key, "unknown key in \(section.heading)",
                    remedy: Self.suggestion(entry.key, among: settings.map(\.key), all: settings.map(\.key)))
                continue
            }
            guard !entry.value.isEmpty else {
                mistakes.note(entry.line, key: entry.key, "has no value", remedy: "permitted: \(setting.permitted)")
                continue
            }
            do throws(ConfigurationValueError) {
                try setting.assign(entry.value, &root)
            } catch {
                mistakes.note(entry.line, key: entry.key, error.problem, remedy: "permitted: \(setting.permitted)")
            }
        }
    }

    mutating func note(_ line: Int, key: String = "", _ problem: String, remedy: String = "") {
        mistakes.note(line, key: key, problem, remedy: remedy)
    }

    /// The line of a key, or 0 when the file does not set it.
    func line(of key: String, in section: String) -> Int {
        entry(key, in: section)?.line ?? 0
    }

    /// The text of a key's value, whether or not it is permitted; nil when the file does not set it.
    func value(of key: String, in section: String) -> String? {
        entry(key, in: section)?.value
    }

    private func entry(_ key: String, in section: String) -> ConfigurationFile.Entry? {
        let entries = file.sections.first { $0.name == section }?.entries
        return entries?.first { $0.key == key }
    }

    func throwIfAnyMistake() throws(ConfigurationError) {
        try mistakes.throwIfAny()
    }

    private static func suggestion(_ name: String, among candidates: [String], all: [String]) -> String {
        NearestName.of(name, among: candidates).map { "did you mean '\($0)'?" }
            ?? "known: \(all.joined(separator: ", "))"
    }
}

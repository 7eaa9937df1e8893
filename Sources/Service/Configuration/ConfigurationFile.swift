/// The syntax of a configuration file, before its keys mean anything.
///
/// `[section]` or `[section NAME]` begins a section, `key = value` is an entry of it, and `#` at the beginning of a line
/// or after a blank begins a comment. Parsing never fails: what cannot be understood becomes a mistake, and the rest of
/// the file is still read, so that a user sees every mistake at once.
package struct ConfigurationFile: Sendable {
    /// `key = value` with its place.
    package struct Entry: Hashable, Sendable {
        /// The key as written.
        package var key: String
        /// The value without surrounding blanks and comment.
        package var value: String
        /// The line, counted from 1.
        package var line: Int
    }

    /// A section with its entries.
    package struct Section: Hashable, Sendable {
        /// The first word between the brackets.
        package var name: String
        /// The second word, as in `[guest NAME]`.
        package var argument: String?
        /// The line of the heading, counted from 1.
        package var line: Int
        /// The entries in their order, without duplicates.
        package var entries: [Entry]

        /// The heading as a user would write it.
        package var heading: String {
            argument.map { "[\(name) \($0)]" } ?? "[\(name)]"
        }
    }

    /// Longest accepted file; a configuration is small, and a wrong path (a disk image, say) should not be read whole.
    package static let maximumBytes = 1 << 20
    /// Longest accepted line.
    package static let maximumLineBytes = 4096

    /// The file as the user named it; used in mistakes only.
    package let path: String
    /// The sections in their order, without duplicates.
    package private(set) var sections: [Section] = []
    /// What could not be understood.
    private(set) var mistakes: ConfigurationMistakes

    private typealias Bytes = Substring.UTF8View

    /// Where in the file the parser is.
    private struct Place {
        /// Before any heading, under one that was refused, or under one whose entries are kept.
        enum Heading { case none, refused, kept }

        var heading = Heading.none
        var linesByHeading: [String: Int] = [:]
        var linesByKey: [String: Int] = [:]
    }

    /// Parses a whole file; anything at all is accepted, and what is wrong is kept as a mistake.
    ///
    /// - Parameters:
    ///   - text: the file's contents.
    ///   - path: the name to use in mistakes.
    package init(parsing text: String, path: String) {
        self.path = path
        mistakes = ConfigurationMistakes(file: path)
        guard text.utf8.count <= Self.maximumBytes else {
            mistakes.note(0, "longer than \(Self.maximumBytes) bytes", remedy: "is this a configuration file?")
            return
        }
        var place = Place()
        var line = 0
        for bytes in Substring(text).utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            line += 1
            guard bytes.count <= Self.maximumLineBytes else {
                mistakes.note(line, "line longer than \(Self.maximumLineBytes) bytes")
                continue
            }
            parse(Self.withoutComment(bytes), line, &place)
        }
    }

    private mutating func parse(_ content: Bytes, _ line: Int, _ place: inout Place) {
        if content.isEmpty { return }
        guard !content.contains(where: Self.isControl) else {
            mistakes.note(line, "contains a control character", remedy: "the file must be plain UTF-8 text")
            return
        }
        if content.first == UInt8(ascii: "[") {
            place.linesByKey = [:]
            place.heading = beginSection(content, line, &place) ? .kept : .refused
        } else {
            addEntry(content, line, &place)
        }
    }

    /// Returns whether the entries that follow belong to a section of their own.
    private mutating func beginSection(_ content: Bytes, _ line: Int, _ place: inout Place) -> Bool {
        guard content.last == UInt8(ascii: "]") else {
            mistakes.note(line, "the section heading has no ']' at its end")
            return false
        }
        let words = content.dropFirst().dropLast().split(whereSeparator: Self.isBlank).map { String(Substring($0)) }
        guard words.count == 1 || words.count == 2 else {
            mistakes.note(line, "not a section heading", remedy: "write [section] or [section NAME]")
            return false
        }
        let section = Section(name: words[0], argument: words.count == 2 ? words[1] : nil, line: line, entries: [])
        if let first = place.linesByHeading[section.heading] {
            mistakes.note(line, "\(section.heading) is already at line \(first)", remedy: "make one section of the two")
            return false
        }
        place.linesByHeading[section.heading] = line
        sections.append(section)
        return true
    }

    private mutating func addEntry(_ content: Bytes, _ line: Int, _ place: inout Place) {
        guard let equals = content.firstIndex(of: UInt8(ascii: "=")) else {
            mistakes.note(line, "neither [section] nor 'key = value'")
            return
        }
        let key = String(Substring(Self.trimmed(content[..<equals])))
        let value = String(Substring(Self.trimmed(content[content.index(after: equals)...])))
        if key.isEmpty {
            mistakes.note(line, "no key before '='")
        } else if place.heading == .none {
            mistakes.note(line, key: key, "stands before the first section")
        } else if let first = place.linesByKey[key] {
            mistakes.note(line, key: key, "is already set at line \(first)", remedy: "keep one of the two")
        } else {
            place.linesByKey[key] = line
            // Entries under a refused heading are checked for syntax only: their heading is what must be mended.
            guard place.heading == .kept, let last = sections.indices.last else { return }
            sections[last].entries.append(Entry(key: key, value: value, line: line))
        }
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
    }

    private static func isControl(_ byte: UInt8) -> Bool {
        byte < 0x20 && byte != UInt8(ascii: "\t") || byte == 0x7f
    }

    private static func trimmed(_ bytes: Bytes) -> Bytes {
        var rest = bytes.drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return rest
    }

    private static func withoutComment(_ line: Bytes) -> Bytes {
        var previous = UInt8(ascii: " ")
        for index in line.indices {
            if line[index] == UInt8(ascii: "#"), isBlank(previous) { return trimmed(line[..<index]) }
            previous = line[index]
        }
        return trimmed(line)
    }
}

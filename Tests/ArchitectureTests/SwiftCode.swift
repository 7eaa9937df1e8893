/// The code of a Swift file without its comments and the content of its strings, line by line. A lexical look, which is
/// enough for rules about names and marks.
struct SwiftCode {
    let lines: [String]

    init(_ text: String) {
        var scanner = Scanner(bytes: Array(text.utf8))
        scanner.code(until: nil)
        lines = String(decoding: scanner.result, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// The modules that the file imports, each with its line.
    var imports: [(module: String, line: Int)] {
        let kinds: Set = ["struct", "class", "enum", "protocol", "typealias", "func", "var", "let"]
        return lines.enumerated().compactMap { number, line in
            let words = line.split { !$0.isLetter && !$0.isNumber && !"_@-.".contains($0) }.map(String.init)
            guard let keyword = words.firstIndex(of: "import"),
                words[..<keyword].allSatisfy({
                    $0.hasPrefix("@") || ["public", "package", "internal", "private", "fileprivate"].contains($0)
                })
            else { return nil }
            guard let name = words[(keyword + 1)...].first(where: { !kinds.contains($0) }) else { return nil }
            return (String(name.prefix { $0 != "." }), number + 1)
        }
    }

    /// The names in the code, each with its line and the code around it.
    var names: [Name] {
        lines.enumerated().flatMap { number, line in
            var found: [Name] = []
            let bytes = Array(line.utf8)
            var start: Int?
            for position in 0...bytes.count {
                let isPart = position < bytes.count && Self.isNamePart(bytes[position])
                if isPart, start == nil { start = position }
                guard !isPart, let first = start else { continue }
                start = nil
                found.append(
                    Name(
                        text: String(decoding: bytes[first..<position], as: UTF8.self), line: number + 1,
                        before: first > 0 ? bytes[first - 1] : 32,
                        after: position < bytes.count ? bytes[position] : 32))
            }
            return found
        }
    }

    struct Name {
        var text: String
        var line: Int
        /// The bytes beside it; a space at the ends of the line.
        var before: UInt8
        var after: UInt8

        func isFollowed(by mark: Character) -> Bool { after == mark.asciiValue }
        func isPreceded(by mark: Character) -> Bool { before == mark.asciiValue }
    }

    /// The lines with an exclamation mark behind a value or a type: force unwraps, `try!`, `as!`, implicit unwraps. The
    /// formatter sets no space before these and one before every operator, which tells them apart.
    var forcedLines: [Int] {
        lines.enumerated().compactMap { number, line in
            let bytes = Array(line.utf8)
            let isForced = bytes.indices.dropFirst().contains { position in
                guard bytes[position] == UInt8(ascii: "!") else { return false }
                let before = bytes[position - 1]
                let isBehindValue = Self.isNamePart(before) || ")]}>?!\"".utf8.contains(before)
                return isBehindValue && !(position + 1 < bytes.count && bytes[position + 1] == UInt8(ascii: "="))
            }
            return isForced ? number + 1 : nil
        }
    }

    private static func isNamePart(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "`"), 128...:
            true
        default: false
        }
    }
}

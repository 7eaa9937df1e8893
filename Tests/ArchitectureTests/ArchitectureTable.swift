/// The table of docs/architecture.md: a row for every folder under Sources/.
struct ArchitectureTable {
    struct Row {
        var folder: String
        var imports: Set<String>
        var systemImports: Set<String>
        var unsafe: Unsafe
    }

    /// Where unsafe pointers may stand.
    enum Unsafe: Equatable {
        case everywhere
        case nowhere
        /// In these files only.
        case files(Set<String>)
        /// It is C.
        case notSwift
    }

    let rows: [Row]

    struct Malformed: Error {
        var line: String
    }

    init(_ markdown: String) throws {
        let lines = markdown.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard let header = lines.firstIndex(where: { $0.hasPrefix("| folder |") }) else {
            throw Malformed(line: "there is no table that begins with \"| folder |\"")
        }
        rows = try lines[(header + 2)...].prefix { $0.hasPrefix("|") }.map(Self.row)
    }

    static func load() throws -> ArchitectureTable {
        try ArchitectureTable(try Repository.text("docs/architecture.md") ?? "")
    }

    subscript(folder: String) -> Row? { rows.first { $0.folder == folder } }

    private static func row(_ line: String) throws -> Row {
        let cells = line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast().map(String.init)
        guard cells.count == 5, let folder = names(cells[0]).first else { throw Malformed(line: line) }
        let unsafeFiles = Set(names(cells[4]))
        let unsafe: Unsafe
        switch cells[4].filter({ !$0.isWhitespace }) {
        case "yes": unsafe = .everywhere
        case "no": unsafe = .nowhere
        case "C": unsafe = .notSwift
        default:
            guard !unsafeFiles.isEmpty else { throw Malformed(line: line) }
            unsafe = .files(unsafeFiles)
        }
        return Row(
            folder: folder, imports: Set(names(cells[2])), systemImports: Set(names(cells[3])), unsafe: unsafe)
    }

    /// The words between back quotes.
    private static func names(_ cell: String) -> [String] {
        cell.split(separator: "`", omittingEmptySubsequences: false).enumerated()
            .compactMap { $0.offset % 2 == 1 ? String($0.element) : nil }
    }
}

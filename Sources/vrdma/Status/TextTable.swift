/// Rows of text under a heading, in columns as wide as they need.
struct TextTable {
    private var rows: [[String]]
    private let isRightAligned: [Bool]

    /// - Parameter columns: headings; a column whose heading begins with '>' is aligned to the right.
    init(_ columns: [String]) {
        isRightAligned = columns.map { $0.hasPrefix(">") }
        rows = [columns.map { $0.hasPrefix(">") ? String($0.dropFirst()) : $0 }]
    }

    mutating func add(_ row: [String]) {
        rows.append(row)
    }

    /// The lines, each ending with a line break.
    var text: String {
        let widths = isRightAligned.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return isRightAligned[column] ? padding + row[column] : row[column] + padding
            }
            let line = cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed()) + "\n"
        }.joined()
    }
}

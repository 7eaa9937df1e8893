extension CommandLineInterface {
    private static let width = 80

    /// The text of `--help`: of the program when it has commands, else of its only one.
    package func helpText() -> String {
        if let sole = soleCommand { return helpText(of: sole) }
        let rows =
            commands.map { ($0.name, $0.summary) } + [
                ("--help", "Print this help, or with a command its help."), ("--version", "Print the version."),
            ]
        return "Usage: \(program) COMMAND [OPTION…]\n\n\(Self.wrapped(summary))\n\nCommands and options:\n"
            + Self.table(rows) + Self.ending(closing)
    }

    /// The text of `--help` of one command.
    package func helpText(of command: CommandLineCommand) -> String {
        let options = command.options.map { option in
            ("--\(option.name)\(option.valueName.map { " \($0)" } ?? "")", option.help)
        }
        let rows = options + [("--help", "Print this help."), ("--version", "Print the version.")]
        return "Usage: \(usage(of: command))\n\n\(Self.wrapped(command.summary))\n\nOptions:\n" + Self.table(rows)
            + Self.ending(command.closing ?? closing)
    }

    private func usage(of command: CommandLineCommand) -> String {
        let name = command.name.isEmpty ? program : "\(program) \(command.name)"
        switch command.operands {
        case .none: return "\(name) [OPTION…]"
        case .list(let operand, let range):
            return "\(name) [OPTION…] \(range.lowerBound == 0 ? "[\(operand)]" : operand)"
        case .program(let operand): return "\(name) [OPTION…] -- \(operand) [ARGUMENT…]"
        }
    }

    private static func ending(_ closing: String) -> String {
        closing.isEmpty ? "" : "\n\(closing)\n"
    }

    /// Two columns, the second one wrapped.
    private static func table(_ rows: [(name: String, text: String)]) -> String {
        let column = min(28, (rows.map(\.name.count).max() ?? 0) + 4)
        let indentation = String(repeating: " ", count: column)
        return rows.map { row in
            let lines = wrapped(row.text, width: width - column).split(separator: "\n")
            let head = "  \(row.name)"
            let text = lines.joined(separator: "\n\(indentation)")
            guard head.count < column - 1 else { return "\(head)\n\(indentation)\(text)\n" }
            return head + String(repeating: " ", count: column - head.count) + "\(text)\n"
        }.joined()
    }

    private static func wrapped(_ text: String, width: Int = width) -> String {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] = "\(last) \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines.joined(separator: "\n")
    }
}

/// The arguments of a program, read as its interface describes them.
package struct CommandLineArguments: Hashable, Sendable {
    /// The command; empty for a program without commands.
    package let command: String
    /// What follows the options.
    package fileprivate(set) var operands: [String] = []
    private var values: [String: String] = [:]

    init(command: String) {
        self.command = command
    }

    /// The value of an option, or nil when it was not given.
    package func value(of option: String) -> String? {
        values[option]
    }

    /// Whether an option was given.
    package func contains(_ option: String) -> Bool {
        values[option] != nil
    }

    fileprivate mutating func set(_ option: String, _ value: String) -> Bool {
        values.updateValue(value, forKey: option) == nil
    }
}

/// What a program is asked to do.
package enum CommandLineOutcome: Hashable, Sendable {
    /// Its work, with these arguments.
    case run(CommandLineArguments)
    /// Print this on standard output and end with success: the answer to `--help` or `--version`.
    case print(String)
}

/// Why a command line was not understood. End with status 2.
package struct CommandLineError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, with the remedy.
    package let problem: String
    /// The program and command to ask for help.
    package let helpCommand: String

    package var description: String {
        "\(problem)\nTry '\(helpCommand)'."
    }
}

extension CommandLineInterface {
    /// Reads arguments, without the program's name.
    package func parse(_ arguments: some Sequence<String>) throws(CommandLineError) -> CommandLineOutcome {
        var rest = Array(arguments)[...]
        if let sole = soleCommand { return try parse(&rest, as: sole) }
        switch rest.first {
        case nil: throw failure("a command is missing; known: \(commands.map(\.name).joined(separator: ", "))")
        case "--help", "-h": return .print(helpText())
        case "--version": return .print(versionText)
        default: break
        }
        let name = rest.removeFirst()
        guard let command = commands.first(where: { $0.name == name }) else {
            if name.hasPrefix("-") { throw failure(unknown("option", name, among: ["--help", "--version"])) }
            throw failure(unknown("command", name, among: commands.map(\.name)))
        }
        return try parse(&rest, as: command)
    }

    private func parse(
        _ rest: inout ArraySlice<String>, as command: CommandLineCommand
    ) throws(CommandLineError) -> CommandLineOutcome {
        var result = CommandLineArguments(command: command.name)
        while let argument = rest.popFirst() {
            if argument == "--" {
                result.operands += rest
                break
            }
            guard argument.hasPrefix("-"), argument != "-" else {
                result.operands.append(argument)
                if case .program = command.operands {
                    result.operands += rest
                    break
                }
                continue
            }
            if argument == "--help" || argument == "-h" { return .print(helpText(of: command)) }
            if argument == "--version" { return .print(versionText) }
            try read(argument, &rest, of: command, into: &result)
        }
        try checkOperands(result.operands, of: command)
        return .run(result)
    }

    /// Reads `--name`, `--name value` or `--name=value`.
    private func read(
        _ argument: String, _ rest: inout ArraySlice<String>, of command: CommandLineCommand,
        into result: inout CommandLineArguments
    ) throws(CommandLineError) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let option = command.options.first(where: { "--\($0.name)" == parts[0] }) else {
            let known = command.options.map { "--\($0.name)" } + ["--help", "--version"]
            throw failure(unknown("option", parts[0], among: known), command)
        }
        var value = parts.count == 2 ? parts[1] : nil
        if let valueName = option.valueName {
            value = value ?? rest.popFirst()
            guard let value, !value.isEmpty else {
                throw failure("option '--\(option.name)' needs a value: --\(option.name) \(valueName)", command)
            }
        } else if value != nil {
            throw failure("option '--\(option.name)' takes no value", command)
        }
        guard result.set(option.name, value ?? "") else {
            throw failure("option '--\(option.name)' is given twice", command)
        }
    }

    private func checkOperands(_ operands: [String], of command: CommandLineCommand) throws(CommandLineError) {
        let count = operands.count
        switch command.operands {
        case .none:
            if let first = operands.first { throw failure("unexpected operand '\(first)'", command) }
        case .list(let name, let range):
            if count < range.lowerBound { throw failure("\(name) is missing", command) }
            if count > range.upperBound { throw failure("more than \(range.upperBound) \(name)", command) }
        case .program(let name):
            if count == 0 { throw failure("\(name) is missing: what shall be run?", command) }
        }
    }

    private func unknown(_ kind: String, _ name: String, among known: [String]) -> String {
        let nearest = NearestName.of(name, among: known)
        return "unknown \(kind) '\(name)'; "
            + (nearest.map { "did you mean '\($0)'?" } ?? "known: \(known.joined(separator: ", "))")
    }

    private func failure(_ problem: String, _ command: CommandLineCommand? = nil) -> CommandLineError {
        let name = command.map { $0.name.isEmpty ? "" : " \($0.name)" } ?? ""
        return CommandLineError(problem: "\(program): \(problem)", helpCommand: "\(program)\(name) --help")
    }

    private var versionText: String {
        "\(program) \(version)\n"
    }
}

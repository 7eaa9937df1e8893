/// An option of a program or of one of its commands.
package struct CommandLineOption: Hashable, Sendable {
    /// The name without the two hyphens.
    package var name: String
    /// What the value is, as in `--config FILE`; nil for a flag.
    package var valueName: String?
    /// One sentence for `--help`.
    package var help: String

    /// An option with a value.
    package static func value(_ name: String, _ valueName: String, _ help: String) -> CommandLineOption {
        CommandLineOption(name: name, valueName: valueName, help: help)
    }

    /// An option without a value.
    package static func flag(_ name: String, _ help: String) -> CommandLineOption {
        CommandLineOption(name: name, valueName: nil, help: help)
    }
}

/// What may follow the options.
package enum CommandLineOperands: Hashable, Sendable {
    /// Nothing.
    case none
    /// Between so many operands of this name.
    case list(name: String, ClosedRange<Int>)
    /// A program and its arguments, which are passed on unread: from `--` or from the first operand on.
    case program(name: String)
}

/// A command such as `run` in `vrdma run`.
package struct CommandLineCommand: Hashable, Sendable {
    /// The word that selects it; empty for a program without commands.
    package var name: String
    /// One sentence for `--help`.
    package var summary: String
    /// Its options, beside `--help` (also `-h`) and `--version`.
    package var options: [CommandLineOption]
    /// What may follow them.
    package var operands: CommandLineOperands
    /// What its `--help` ends with, such as an example; nil means what that of the program ends with.
    package var closing: String?

    /// Creates a command.
    package init(
        _ name: String, _ summary: String, options: [CommandLineOption] = [], operands: CommandLineOperands = .none,
        closing: String? = nil
    ) {
        self.name = name
        self.summary = summary
        self.options = options
        self.operands = operands
        self.closing = closing
    }
}

/// The command line of a program: what it accepts, and so what its help says.
package struct CommandLineInterface: Hashable, Sendable {
    /// The program's name.
    package var program: String
    /// Its version, for `--version`.
    package var version: String
    /// One sentence for `--help`.
    package var summary: String
    /// A single command without a name, or all commands, one of which the first argument names.
    package var commands: [CommandLineCommand]
    /// What `--help` ends with, such as files and manual pages.
    package var closing: String

    /// The interface of a program with commands.
    package init(
        program: String, version: String, summary: String, commands: [CommandLineCommand], closing: String = ""
    ) {
        self.program = program
        self.version = version
        self.summary = summary
        self.commands = commands
        self.closing = closing
    }

    /// The interface of a program without commands.
    package init(
        program: String, version: String, summary: String, options: [CommandLineOption],
        operands: CommandLineOperands = .none, closing: String = ""
    ) {
        self.init(
            program: program, version: version, summary: summary,
            commands: [CommandLineCommand("", summary, options: options, operands: operands)], closing: closing)
    }

    /// The command of a program that has only one, without a name.
    var soleCommand: CommandLineCommand? {
        commands.count == 1 && commands[0].name.isEmpty ? commands[0] : nil
    }
}

import Service

/// `vrdma help`
enum HelpCommand {
    static let interface = CommandLineCommand(
        "help", "Print the help of vrdma or of one of its commands.", operands: .list(name: "COMMAND", 0...1),
        closing: "For example: vrdma help run")

    static func run(_ arguments: CommandLineArguments, _ tool: CommandLineInterface) throws(CommandLineError) -> Int32 {
        let words = arguments.operands + ["--help"]
        if case .print(let text) = try tool.parse(words) { print(text, terminator: "") }
        return 0
    }
}

import Service

/// `vrdma help`
enum HelpCommand {
    static let interface = CommandLineCommand(
        "help", "Print the help of vrdma or of one of its commands.", operands: .list(name: "COMMAND", 0...1))

    static func run(_ arguments: CommandLineArguments, _ tool: CommandLineInterface) throws(ToolError) -> Int32 {
        let words = arguments.operands + ["--help"]
        do throws(CommandLineError) {
            if case .print(let text) = try tool.parse(words) { print(text, terminator: "") }
            return 0
        } catch {
            throw ToolError(error.problem, status: 2)
        }
    }
}

import Testing

@testable import Service

@Suite struct CommandLineTests {
    private static let tool = CommandLineInterface(
        program: "tool", version: "1.2", summary: "Does things.",
        commands: [
            CommandLineCommand(
                "run", "Run a program.",
                options: [.value("guest", "NAME", "Be this guest."), .flag("quiet", "Say nothing.")],
                operands: .program(name: "PROGRAM")),
            CommandLineCommand("show", "Show files.", operands: .list(name: "FILE", 1...2)),
            CommandLineCommand("status", "Show the state.", options: [.flag("json", "As JSON.")]),
        ], closing: "See tool(1).")

    private static let daemon = CommandLineInterface(
        program: "daemon", version: "1.2", summary: "Serves.", options: [.value("config", "FILE", "Read this file.")])

    private func arguments(_ words: String...) throws -> CommandLineArguments {
        guard case .run(let arguments) = try Self.tool.parse(words) else {
            throw CommandLineError(problem: "printed", helpCommand: "")
        }
        return arguments
    }

    private func problem(_ words: String..., of interface: CommandLineInterface = CommandLineTests.tool) -> String? {
        do throws(CommandLineError) {
            _ = try interface.parse(words)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func valuesInBothForms() throws {
        #expect(try arguments("run", "--guest", "a", "x").value(of: "guest") == "a")
        #expect(try arguments("run", "--guest=a=b", "x").value(of: "guest") == "a=b")
        #expect(try arguments("run", "--guest", "--quiet", "x").value(of: "guest") == "--quiet")
        #expect(try arguments("run", "x").value(of: "guest") == nil)
        #expect(try arguments("status", "--json").contains("json"))
        #expect(try !arguments("status").contains("json"))
    }

    @Test func aProgramKeepsItsOwnOptions() throws {
        #expect(try arguments("run", "--quiet", "--", "ls", "--quiet", "--").operands == ["ls", "--quiet", "--"])
        #expect(try arguments("run", "ls", "--help", "--", "x").operands == ["ls", "--help", "--", "x"])
        #expect(try arguments("show", "a", "--", "--b").operands == ["a", "--b"])
        #expect(try arguments("show", "-").operands == ["-"])
    }

    @Test func mistakesNameTheOptionAndTheRemedy() {
        #expect(
            problem("run", "--gest", "a", "x")
                == "tool: unknown option '--gest'; did you mean '--guest'?\nTry 'tool run --help'.")
        #expect(
            problem("status", "-x")
                == "tool: unknown option '-x'; known: --json, --help, --version\nTry 'tool status --help'.")
        #expect(problem("stauts") == "tool: unknown command 'stauts'; did you mean 'status'?\nTry 'tool --help'.")
        #expect(
            problem("--verson") == "tool: unknown option '--verson'; did you mean '--version'?\nTry 'tool --help'.")
        #expect(problem() == "tool: a command is missing; known: run, show, status\nTry 'tool --help'.")
        #expect(
            problem("run", "--guest")
                == "tool: option '--guest' needs a value: --guest NAME\nTry 'tool run --help'.")
        #expect(problem("run", "--guest=", "x") != nil)
        #expect(
            problem("status", "--json=yes") == "tool: option '--json' takes no value\nTry 'tool status --help'.")
        #expect(
            problem("status", "--json", "--json")
                == "tool: option '--json' is given twice\nTry 'tool status --help'.")
        #expect(problem("status", "x") == "tool: unexpected operand 'x'\nTry 'tool status --help'.")
        #expect(problem("show") == "tool: FILE is missing\nTry 'tool show --help'.")
        #expect(problem("show", "a", "b", "c") == "tool: more than 2 FILE\nTry 'tool show --help'.")
        #expect(
            problem("run", "--") == "tool: PROGRAM is missing: what shall be run?\nTry 'tool run --help'.")
        #expect(
            problem("--confg", of: Self.daemon)
                == "daemon: unknown option '--confg'; did you mean '--config'?\nTry 'daemon --help'.")
    }

    @Test func helpAndVersion() throws {
        #expect(try Self.tool.parse(["--version"]) == .print("tool 1.2\n"))
        #expect(try Self.tool.parse(["run", "--version"]) == .print("tool 1.2\n"))
        #expect(try Self.daemon.parse(["--version"]) == .print("daemon 1.2\n"))
        #expect(
            Self.tool.helpText() == """
                Usage: tool COMMAND [OPTION…]

                Does things.

                Commands and options:
                  run        Run a program.
                  show       Show files.
                  status     Show the state.
                  --help     Print this help, or with a command its help.
                  --version  Print the version.

                See tool(1).

                """)
        #expect(
            try Self.tool.parse(["run", "--guest", "a", "--help"])
                == .print(
                    """
                    Usage: tool run [OPTION…] -- PROGRAM [ARGUMENT…]

                    Run a program.

                    Options:
                      --guest NAME  Be this guest.
                      --quiet       Say nothing.
                      --help        Print this help.
                      --version     Print the version.

                    See tool(1).

                    """))
        #expect(try Self.daemon.parse(["--help"]) == .print(Self.daemon.helpText()))
    }

    @Test func longHelpIsWrapped() {
        let text = Array(repeating: "word", count: 60).joined(separator: " ")
        let interface = CommandLineInterface(
            program: "p", version: "1", summary: text, options: [.value("a-very-long-option-name", "LONG-VALUE", text)])
        #expect(interface.helpText().split(separator: "\n").allSatisfy { $0.count <= 80 })
    }
}

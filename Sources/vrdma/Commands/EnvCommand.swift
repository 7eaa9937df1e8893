import Glibc
import Service
import Verbs

/// `vrdma env`
enum EnvCommand {
    static let interface = CommandLineCommand(
        "env",
        "Print the environment that 'vrdma run' gives to programs, for a shell: eval \"$(vrdma env)\". What is started "
            + "for it stays until that shell ends.",
        options: [
            .value("guest", "NAME", "Be this guest instead of 'default'."),
            .value("address", "ADDR", "The guest's IPv4 or IPv6 address (its GID); 127.0.0.1 for 'default'."),
            .value("pid", "PID", "Keep what is started until this process ends, instead of the calling shell."),
            .flag("preload", "Set LD_PRELOAD as well, for programs whose own library path comes first."),
        ], closing: "For example: eval \"$(vrdma env --guest blue --address 10.1.0.7)\"")

    static func run(_ arguments: CommandLineArguments) throws(ToolError) -> Int32 {
        var holder = getppid()
        if let text = arguments.value(of: "pid") {
            guard let number = Int32(text), number > 0 else {
                throw ToolError("'\(text)' is not a process; permitted: a number above 0", status: 2)
            }
            holder = number
        }
        let library = try DropInLibrary.find(scratchDirectory: try RuntimeDirectory.current().path)
        let found = try GuestLocation.find(
            guest: arguments.value(of: "guest"), address: arguments.value(of: "address"), processIdentifier: holder)
        let environment = VerbsEnvironment(
            library: library, guestSocketPath: found.socketPath, preload: arguments.contains("preload"))
        if let warning = environment.warning { DaemonCommandLine.complain("vrdma: \(warning)") }
        for variable in environment.variables { print("export \(variable.name)=\(quoted(variable.value));") }
        if isatty(STDOUT_FILENO) != 0 { print("# For this shell: eval \"$(vrdma env)\"") }
        return 0
    }

    /// As one word of a POSIX shell.
    private static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}

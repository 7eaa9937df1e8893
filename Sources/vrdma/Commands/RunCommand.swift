import Service
import Verbs

/// `vrdma run`
enum RunCommand {
    static let interface = CommandLineCommand(
        "run",
        "Run a verbs program, unmodified, with a virtual RDMA device. Starts an endpoint and a guest driver if none is "
            + "there; the last program to end stops what was started.",
        options: [
            .value("guest", "NAME", "Be this guest instead of 'default'; programs of one guest share its address."),
            .value("address", "ADDR", "The guest's IPv4 or IPv6 address (its GID); 127.0.0.1 for 'default'."),
            .flag("no-preload", "Leave LD_PRELOAD alone; the program must find the library by LD_LIBRARY_PATH."),
        ], operands: .program(name: "PROGRAM"),
        closing: "For example: vrdma run --guest blue --address 10.1.0.7 -- ib_write_bw")

    static func run(_ arguments: CommandLineArguments) throws(ToolError) -> Int32 {
        let library = try DropInLibrary.find(scratchDirectory: try RuntimeDirectory.current().path)
        let found = try GuestLocation.find(
            guest: arguments.value(of: "guest"), address: arguments.value(of: "address"))
        let environment = VerbsEnvironment(
            library: library, guestSocketPath: found.socketPath, preload: !arguments.contains("no-preload"))
        if let warning = environment.warning { DaemonCommandLine.complain("vrdma: \(warning)") }
        return try ForegroundProgram.run(
            arguments.operands,
            environment: ProcessEnvironment.variables(replacing: environment.variables.map { ($0.name, $0.value) }),
            keeping: found.lease)
    }
}

import Service
import Verbs

/// The program `vrdma`.
enum Tool {
    static let interface = CommandLineInterface(
        program: "vrdma", version: VRDMAVersion.text,
        summary: "RDMA for every Linux process: runs verbs programs on a virtual RDMA device, without hardware, kernel "
            + "module or root.",
        commands: [
            RunCommand.interface, EnvCommand.interface, StatusCommand.interface, DoctorCommand.interface,
            HelpCommand.interface,
        ],
        closing: """
            For example: vrdma run -- ib_write_bw, and in another shell
            vrdma run -- ib_write_bw localhost. See vrdma(1).
            """)

    /// Carries out a command line. Returns the exit status.
    static func run(_ arguments: [String]) -> Int32 {
        if arguments.first == BackgroundProcess.command, arguments.count == 2 {
            return EmbeddedCommand.run(arguments[1])
        }
        do {
            return try answer(arguments)
        } catch {
            // The shell that evaluates the output sees no exit status of this process.
            if arguments.first == EnvCommand.interface.name { print("false") }
            return complain(error)
        }
    }

    private static func answer(_ arguments: [String]) throws -> Int32 {
        switch try interface.parse(arguments) {
        case .print(let text):
            print(text, terminator: "")
            return 0
        case .run(let given):
            return try run(given)
        }
    }

    /// Says why a command failed. Returns the exit status.
    private static func complain(_ error: any Error) -> Int32 {
        if let error = error as? CommandLineError {
            DaemonCommandLine.complain(error)
            return 2
        }
        DaemonCommandLine.complain("vrdma: \(error)")
        return (error as? ToolError)?.status ?? 1
    }

    private static func run(_ arguments: CommandLineArguments) throws -> Int32 {
        switch arguments.command {
        case "run": try RunCommand.run(arguments)
        case "env": try EnvCommand.run(arguments)
        case "status": try StatusCommand.run(arguments)
        case "doctor": try DoctorCommand.run(arguments)
        default: try HelpCommand.run(arguments, interface)
        }
    }
}

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
            switch try interface.parse(arguments) {
            case .print(let text):
                print(text, terminator: "")
                return 0
            case .run(let given):
                return try run(given)
            }
        } catch let error as CommandLineError {
            DaemonCommandLine.complain(error)
            return 2
        } catch let error as ToolError {
            DaemonCommandLine.complain("vrdma: \(error)")
            return error.status
        } catch {
            DaemonCommandLine.complain("vrdma: \(error)")
            return 1
        }
    }

    private static func run(_ arguments: CommandLineArguments) throws(ToolError) -> Int32 {
        switch arguments.command {
        case "run": try RunCommand.run(arguments)
        case "env": try EnvCommand.run(arguments)
        case "status": try StatusCommand.run(arguments)
        case "doctor": try DoctorCommand.run(arguments)
        default: try HelpCommand.run(arguments, interface)
        }
    }
}

import Glibc
import OutOfBand
import Service

switch BenchCommandLine.read(CommandLine.arguments.dropFirst()) {
case .end(let status): exit(status)
case .run(let arguments):
    do {
        try BenchCommands.run(arguments)
    } catch {
        complain("vrdma-bench: \(error)")
        exit((error as? BenchError)?.isWrongUse == true ? 2 : 1)
    }
}

import FuzzKit
import Service
import Verbs

/// Command lines, and the texts that `vrdma run` and its background process exchange. (The admin socket's request is
/// compared with one word, and has no parser.)
@main
enum CommandLineTarget: FuzzTarget {
    static func run(_ input: inout FuzzInput) {
        let choice = input.byte()
        let text = String(decoding: input.takeRest(), as: UTF8.self)
        switch choice & 3 {
        case 0:
            if let request = LeaseRequest(text), LeaseRequest(request.text) != request {
                fuzzFailure("a request that does not survive being written")
            }
        case 1:
            _ = LeaseAnswer(text)
        default:
            let arguments = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            do throws(CommandLineError) {
                if case .run(let given) = try (choice & 1 == 0 ? tool : daemon).parse(arguments) {
                    _ = given.value(of: "config")
                }
            } catch {
                if error.problem.isEmpty { fuzzFailure("a refusal without a reason") }
            }
        }
    }

    private static let daemon = CommandLineInterface(
        program: "daemon", version: "1", summary: "A daemon.",
        options: [.value("config", "FILE", "Read this file."), .flag("check-config", "Only check it.")])

    private static let tool = CommandLineInterface(
        program: "tool", version: "1", summary: "A tool.",
        commands: [
            CommandLineCommand(
                "run", "Run a program.", options: [.value("guest", "NAME", "As this guest.")],
                operands: .program(name: "PROGRAM")),
            CommandLineCommand("status", "Print.", options: [.flag("json", "As JSON.")]),
            CommandLineCommand("env", "Print.", operands: .list(name: "NAME", 0...2)),
        ])
}

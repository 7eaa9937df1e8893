import EndpointRuntime
import FoundationEssentials
import LinuxIO
import Service
import Verbs

/// `vrdma status`
enum StatusCommand {
    static let interface = CommandLineCommand(
        "status", "Show an endpoint's guests, contexts, queue pairs, memory regions and counters.",
        options: [
            .flag("json", "Print the endpoint's whole answer as a JSON document."),
            .value(
                "admin-socket", "PATH",
                "Ask the endpoint with this socket instead of this user's own or, without one, the system's."),
        ])

    static func run(_ arguments: CommandLineArguments) throws(ToolError) -> Int32 {
        let document = try ask(arguments.value(of: "admin-socket"))
        if arguments.contains("json") {
            print(String(decoding: document, as: UTF8.self), terminator: "")
            return 0
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let status: EndpointStatus
        do {
            status = try decoder.decode(EndpointStatus.self, from: document)
        } catch {
            throw ToolError(
                "the endpoint's answer is not understood; is it of another version? See vrdma status --json")
        }
        print(StatusReport(status: status).text, terminator: "")
        return 0
    }

    private static func ask(_ explicit: String?) throws(ToolError) -> Data {
        let paths: [String]
        if let explicit {
            paths = [explicit]
        } else {
            let directory = try RuntimeDirectory.current()
            paths =
                [directory.adminSocketPath]
                + (directory.isExplicit ? [] : [EndpointConfiguration().adminSocketPath])
        }
        var problems: [String] = []
        for path in paths {
            do throws(Errno) {
                return Data(try AdminQuestion.status(socketPath: path))
            } catch {
                problems.append("\(path): \(error)")
            }
        }
        throw ToolError(
            "no endpoint answers (\(problems.joined(separator: "; "))); one runs as long as a program of 'vrdma run' does"
        )
    }
}

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
        ], closing: "For example: vrdma status --admin-socket /run/vrdma/endpoint-admin.sock")

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
        let mayAskSystem: Bool
        if let explicit {
            do throws(Errno) {
                return Data(try AdminQuestion.status(socketPath: explicit))
            } catch {
                throw ToolError(noAnswer(explicit, error))
            }
        } else {
            let directory = try RuntimeDirectory.current()
            mayAskSystem = !directory.isExplicit
            paths = [directory.adminSocketPath] + (mayAskSystem ? [EndpointConfiguration().adminSocketPath] : [])
        }
        var problems: [String] = []
        for path in paths {
            do throws(Errno) {
                return Data(try AdminQuestion.status(socketPath: path))
            } catch {
                // An endpoint that is there is more likely meant than one that is not.
                if error == .accessDenied || error == .notPermitted { throw ToolError(noAnswer(path, error)) }
                problems.append("\(path): \(error)")
            }
        }
        throw ToolError(
            "no endpoint answers (\(problems.joined(separator: "; "))); one of this user's own runs as long as a "
                + "program of 'vrdma run' does"
                + (mayAskSystem ? "; the system's is started with: systemctl start vrdma-endpointd" : ""))
    }

    /// Why an endpoint's status socket that the user named gives no answer.
    private static func noAnswer(_ path: String, _ error: Errno) -> String {
        switch error {
        case .noSuchFile:
            "there is no \(path); is the path right (admin-socket of vrdma-endpoint.conf), and does the endpoint run?"
        case .accessDenied, .notPermitted: "permission denied on \(path); \(SocketRemedy.joinGroup(of: path))"
        case .connectionRefused:
            "nobody listens at \(path); if the path is right, start its endpoint (systemctl start vrdma-endpointd)"
        default: "\(path) does not answer as an endpoint's status socket: \(error)"
        }
    }
}

import OutOfBand
import Service
import Verbs

/// What vrdma-bench accepts.
enum BenchCommandLine {
    enum Request {
        case run(CommandLineArguments)
        /// End with this status; everything was said already.
        case end(status: Int32)
    }

    static let interface = CommandLineInterface(
        program: "vrdma-bench", version: VRDMAVersion.text,
        summary: "Measures vRDMA through its Swift client module.",
        commands: [
            CommandLineCommand(
                "server", "Waits for one client, does what it asks for, and ends.",
                options: [
                    .value("port", "PORT", "The TCP port to listen on. Required."),
                    .value("host", "ADDRESS", "The IPv4 address to listen on instead of 127.0.0.1."),
                ]),
            CommandLineCommand(
                "client", "Measures together with a server, each as an application of its own guest.",
                options: [
                    .value("connect", "HOST:PORT", "Where the server listens. Required."),
                    .value(
                        "test", "TEST",
                        "write, read, send or fetch-and-add: a stream; write-pingpong or send-pingpong: a latency. "
                            + "Required."),
                    .value("size", "BYTES", "Bytes of a message; 64 when not given."),
                    .value("depth", "N", "Requests under way in a stream; 128 when not given."),
                    .value("signal-every", "N", "Requests for one completion in a stream; a quarter of the depth."),
                    .value("list", "N", "Requests posted at once in a stream; 1 when not given."),
                    .value("wait", "HOW", "Of send-pingpong: poll, block (on a completion channel) or task (await)."),
                    duration, json,
                ]),
            CommandLineCommand(
                "idle", "Processor time and memory of an endpoint whose guests do nothing.",
                options: [
                    .value("guests", "N", "Guests; 100 when not given."),
                    .value("queue-pairs", "N", "Connected queue pairs; 1000 when not given."), duration, json,
                ]),
            CommandLineCommand(
                "manyqp", "The rate of WRITEs of 64 bytes of a busy pair, beside queue pairs that do nothing.",
                options: [
                    .value("idle", "N", "Connected queue pairs that do nothing; 10000 when not given."), duration, json,
                ]),
            CommandLineCommand(
                "register", "The time to register memory that the endpoint shares already.",
                options: [.value("size", "BYTES", "Bytes of it; 1048576 when not given."), json]),
            CommandLineCommand(
                "connect", "The time to create and connect queue pairs.",
                options: [.value("queue-pairs", "N", "Queue pairs; 1000 when not given."), json]),
        ],
        closing: "idle, manyqp, register and connect start an endpoint and guests by themselves, from the directory of "
            + "this program. See docs/benchmarks.md.")

    private static let duration = CommandLineOption.value(
        "duration-ms", "N", "Milliseconds of the measurement; 1000 when not given.")
    private static let json = CommandLineOption.flag("json", "Print the result as one line of JSON.")

    /// Reads the arguments, without the program's name; prints help, version or what is wrong.
    static func read(_ arguments: some Sequence<String>) -> Request {
        do throws(CommandLineError) {
            switch try interface.parse(arguments) {
            case .print(let text):
                print(text, terminator: "")
                return .end(status: 0)
            case .run(let arguments):
                return .run(arguments)
            }
        } catch {
            complain(error)
            return .end(status: 2)
        }
    }
}

extension CommandLineArguments {
    /// The value of an option that must be given.
    func required(_ option: String) throws(BenchError) -> String {
        guard let text = value(of: option) else {
            throw BenchError("option '--\(option)' is missing", isWrongUse: true)
        }
        return text
    }

    /// A number between two limits, or the one that stands for it when it is not given.
    func number(_ option: String, _ range: ClosedRange<Int>, default standard: Int) throws(BenchError) -> Int {
        guard let text = value(of: option) else { return standard }
        guard let number = Int(text), range.contains(number) else {
            throw BenchError(
                "option '--\(option)': '\(text)' is no number from \(range.lowerBound) to \(range.upperBound)",
                isWrongUse: true)
        }
        return number
    }

    /// One of a few words.
    func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ option: String, default standard: Choice?
    ) throws(BenchError) -> Choice {
        guard let text = value(of: option) else {
            guard let standard else { throw BenchError("option '--\(option)' is missing", isWrongUse: true) }
            return standard
        }
        guard let choice = Choice(rawValue: text) else {
            let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw BenchError("option '--\(option)': '\(text)' is none of \(known)", isWrongUse: true)
        }
        return choice
    }
}

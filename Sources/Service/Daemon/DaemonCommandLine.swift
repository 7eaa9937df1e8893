import Glibc

/// The command line that the daemons share: a configuration file, to be used or only to be checked.
package struct DaemonCommandLine: Sendable {
    /// What a daemon is asked to do.
    package enum Request: Hashable, Sendable {
        /// Serve, as this file says.
        case serve(configurationPath: String)
        /// Only read this file and tell its mistakes.
        case check(configurationPath: String)
        /// End with this status; everything was said already.
        case end(status: Int32)
    }

    private let interface: CommandLineInterface
    private let defaultPath: String?

    /// Creates the command line of a daemon.
    ///
    /// - Parameters:
    ///   - defaultPath: the configuration file without `--config`; nil makes the option required.
    ///   - closing: what `--help` ends with.
    package init(program: String, version: String, summary: String, defaultPath: String?, closing: String) {
        self.defaultPath = defaultPath
        interface = CommandLineInterface(
            program: program, version: version, summary: summary,
            options: [
                .value(
                    "config", "FILE",
                    "Read this configuration file" + (defaultPath.map { " instead of \($0)." } ?? ". Required.")),
                .flag("check-config", "Only check the configuration file and print its mistakes."),
            ], closing: closing)
    }

    /// Reads the arguments, without the program's name; prints help, version or what is wrong.
    package func read(_ arguments: some Sequence<String>) -> Request {
        do throws(CommandLineError) {
            switch try interface.parse(arguments) {
            case .print(let text):
                print(text, terminator: "")
                return .end(status: 0)
            case .run(let given):
                guard let path = given.value(of: "config") ?? defaultPath else {
                    throw CommandLineError(
                        problem: "\(interface.program): option '--config' is missing: --config FILE",
                        helpCommand: "\(interface.program) --help")
                }
                return given.contains("check-config")
                    ? .check(configurationPath: path) : .serve(configurationPath: path)
            }
        } catch {
            Self.complain(error)
            return .end(status: 2)
        }
    }

    /// Answers `--check-config`, given the file's mistakes. Returns the exit status.
    package static func report(_ error: ConfigurationError?, path: String) -> Int32 {
        guard let error else {
            print("\(path): OK")
            return 0
        }
        complain(error)
        return 1
    }

    /// Writes a line to standard error.
    package static func complain(_ text: some CustomStringConvertible) {
        let bytes = Array("\(text)\n".utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}

import Glibc

/// Writes a line to standard error.
public func complain(_ text: some CustomStringConvertible) {
    let bytes = Array("\(text)\n".utf8)
    _ = write(STDERR_FILENO, bytes, bytes.count)
}

/// The part that an example plays, as its command line says: `server ADDRESS` or `client ADDRESS`.
public enum Role: Sendable {
    case server(address: String)
    case client(address: String)

    /// Reads the command line. Ends the program with a text that helps when it is another.
    public init(program: String, about: String) {
        let arguments = CommandLine.arguments
        switch arguments.count == 3 ? arguments[1] : arguments.dropFirst().first ?? "" {
        case "server" where arguments.count == 3: self = .server(address: arguments[2])
        case "client" where arguments.count == 3: self = .client(address: arguments[2])
        case "--help":
            print(Self.usage(program, about))
            exit(0)
        default:
            complain(Self.usage(program, about))
            exit(2)
        }
    }

    private static func usage(_ program: String, _ about: String) -> String {
        """
        Usage: \(program) server|client ADDRESS

        \(about)

        ADDRESS is where the two exchange what they need before they can use RDMA: HOST:PORT for TCP,
        or the path of a Unix socket. Start the server first. Each uses the guest that VRDMA_GUEST_SOCKET
        names; `vrdma run -- \(program) …` sets it.
        """
    }
}

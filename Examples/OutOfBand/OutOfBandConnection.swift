import Glibc

/// How two programs tell each other what they need before they can use RDMA: lines of text over a stream socket.
///
/// RDMA does not say how queue pair numbers, addresses and keys are exchanged; programs use whatever they have.
public struct OutOfBandConnection: ~Copyable {
    /// What went wrong, in words.
    public struct Failure: Error, CustomStringConvertible {
        /// The words.
        public let description: String

        /// A failure in words.
        public init(_ description: String) {
            self.description = description
        }
    }

    /// The socket, for poll(2).
    public let descriptor: Int32
    private var unread: [UInt8] = []

    private init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    /// Waits for the other program at an address: `HOST:PORT`, or the path of a Unix socket.
    public static func accept(at address: String) throws(Failure) -> OutOfBandConnection {
        let place = try Place(address)
        let listener = try place.makeSocket()
        defer { close(listener) }
        place.prepareToListen(listener)
        guard place.withAddress({ bind(listener, $0, $1) }) == 0, listen(listener, 1) == 0 else {
            throw .system("listen at \(address)")
        }
        defer { place.removeFile() }
        let connection = Glibc.accept(listener, nil, nil)
        guard connection >= 0 else { throw .system("accept at \(address)") }
        place.prepareToTalk(connection)
        return OutOfBandConnection(connection)
    }

    /// Connects to the other program, which may be a little later than this one.
    public static func connect(to address: String) throws(Failure) -> OutOfBandConnection {
        let place = try Place(address)
        let attempts = 200
        for attempt in 1...attempts {
            let socket = try place.makeSocket()
            if place.withAddress({ Glibc.connect(socket, $0, $1) }) == 0 {
                place.prepareToTalk(socket)
                return OutOfBandConnection(socket)
            }
            let failure = Failure.system("connect to \(address)")
            close(socket)
            guard attempt < attempts else { throw failure }
            usleep(50_000)
        }
        throw Failure("connect to \(address): nobody answers")
    }

    /// Sends a line.
    public func send(_ line: some CustomStringConvertible) throws(Failure) {
        var rest = Array("\(line)\n".utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw .system("send to the other program") }
            rest = rest.dropFirst(count)
        }
    }

    /// Waits for a line of at most 4096 bytes.
    public mutating func receive() throws(Failure) -> String {
        while true {
            if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
                defer { unread.removeFirst(end + 1) }
                return String(decoding: unread[..<end], as: UTF8.self)
            }
            guard unread.count <= 4096 else { throw Failure("the other program sent a line that is too long") }
            var bytes = [UInt8](repeating: 0, count: 1024)
            let count = recv(descriptor, &bytes, bytes.count, 0)
            guard count != 0 else { throw Failure("the other program ended") }
            guard count > 0 else { throw .system("receive from the other program") }
            unread += bytes.prefix(count)
        }
    }

    /// Waits for a line and reads a value from it.
    public mutating func receive<Value: LosslessStringConvertible>(_ type: Value.Type) throws(Failure) -> Value {
        let line = try receive()
        guard let value = Value(line) else { throw Failure("the other program sent '\(line)', which is no \(type)") }
        return value
    }

    /// Sends a value and waits for the other program's.
    public mutating func exchange<Value: LosslessStringConvertible>(_ value: Value) throws(Failure) -> Value {
        try send(value)
        return try receive(Value.self)
    }

    /// Goes on when both programs are here.
    public mutating func meet() throws(Failure) {
        guard try exchange("ready") == "ready" else { throw Failure("the other program is not where it should be") }
    }
}

extension OutOfBandConnection.Failure {
    /// The calling thread's `errno`.
    static func system(_ operation: String) -> OutOfBandConnection.Failure {
        OutOfBandConnection.Failure("\(operation): \(String(cString: strerror(errno)))")
    }
}

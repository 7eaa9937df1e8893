import LinuxIO
import Verbs

/// Asks an endpoint's admin socket for its status.
enum AdminQuestion {
    private static let limitBytes = 256 << 20
    private static let waitSeconds = 10

    /// The JSON document.
    static func status(socketPath: String) throws(Errno) -> [UInt8] {
        let socket = try StreamSocket.connect(path: socketPath)
        StreamSocket.limitWaits(socket, seconds: waitSeconds)
        try StreamSocket.write(socket, Array("status\n".utf8))
        var document: [UInt8] = []
        while document.count < limitBytes {
            let part = try StreamSocket.read(socket, limitBytes: 65536)
            if part.isEmpty { return document }
            document += part
        }
        throw .outOfRange
    }
}

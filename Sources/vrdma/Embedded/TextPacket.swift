import LinuxIO
import Verbs

/// Text as packets of a socket.
enum TextPacket {
    private static let limitBytes = 4096

    /// Sends a text; one that is too long is cut.
    static func send(_ text: String, to socket: FileDescriptor) throws(Errno) {
        let bytes = Array(text.utf8.prefix(limitBytes))
        try bytes.withUnsafeBufferPointer { (buffer) throws(Errno) in
            try PacketSocket.send(socket.rawValue, UnsafeRawBufferPointer(buffer), blocking: false)
        }
    }

    /// Waits for a text. Empty when the connection ended; nil when `isBlocking` is false and there is none.
    static func receive(from socket: FileDescriptor, isBlocking: Bool) throws(Errno) -> String? {
        var bytes = [UInt8](repeating: 0, count: limitBytes)
        let received = try bytes.withUnsafeMutableBufferPointer { (buffer) throws(Errno) in
            try PacketSocket.receive(socket.rawValue, into: UnsafeMutableRawBufferPointer(buffer), blocking: isBlocking)
        }
        return received.map { String(decoding: bytes.prefix($0.byteCount), as: UTF8.self) }
    }
}

import CLinux
import Glibc
import Verbs

/// Unix sockets of byte streams (unix(7), SOCK_STREAM), for questions and answers in text.
package enum StreamSocket {
    /// A blocking listener at `path`. A socket that nobody listens on any more is replaced.
    ///
    /// Throws `EADDRINUSE` when somebody does, `ENAMETOOLONG` when the path exceeds 107 bytes.
    package static func listen(path: String, mode: mode_t = 0o600) throws(Errno) -> FileDescriptor {
        try UnixSocketAddress.listen(path: path, type: Int32(SOCK_STREAM.rawValue), extraFlags: 0, mode: mode)
    }

    /// A blocking connection to `path`.
    package static func connect(path: String) throws(Errno) -> FileDescriptor {
        try UnixSocketAddress.connect(path: path, type: Int32(SOCK_STREAM.rawValue))
    }

    /// The next connection; waits for it.
    package static func accept(_ listener: FileDescriptor) throws(Errno) -> FileDescriptor {
        FileDescriptor(taking: try check { Glibc.accept(listener.rawValue, nil, nil) })
    }

    /// Ends waits of this socket's reads and writes after a time, with `EAGAIN`.
    package static func limitWaits(_ socket: FileDescriptor, seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(socket.rawValue, SOL_SOCKET, SO_RCVTIMEO, &time, size)
        setsockopt(socket.rawValue, SOL_SOCKET, SO_SNDTIMEO, &time, size)
    }

    /// Reads what is there, at most `limitBytes`; empty at the end of the stream.
    package static func read(_ socket: FileDescriptor, limitBytes: Int) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limitBytes)
        let count = try check { Glibc.read(socket.rawValue, &bytes, limitBytes) }
        return Array(bytes.prefix(count))
    }

    /// Writes all bytes.
    package static func write(_ socket: FileDescriptor, _ bytes: [UInt8]) throws(Errno) {
        var written = 0
        while written < bytes.count {
            let sent: Int = try check {
                bytes.withUnsafeBytes { buffer in
                    let rest = buffer[written...]
                    return send(
                        socket.rawValue, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count,
                        Int32(MSG_NOSIGNAL))
                }
            }
            written += sent
        }
    }
}

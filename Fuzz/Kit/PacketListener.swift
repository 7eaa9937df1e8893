import Glibc
import LinuxIO
import Verbs

/// A listener in a directory of its own, for decoders that connect by a path.
package final class PacketListener: Sendable {
    package let path: String
    private let listener: FileDescriptor

    /// Nil when there is no room for temporary files.
    package init?() {
        let directory = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        path = "\(directory)/vrdma-fuzz-\(getpid()).sock"
        guard let listener = try? PacketSocket.listen(path: path) else { return nil }
        self.listener = listener
        // The decoders' processes end by exit(3).
        atexit { PacketListener.removePath() }
    }

    /// The connection that waits, which blocks, and the descriptors of its first packet; nil when there is none.
    package func accept() -> (FileDescriptor, [FileDescriptor])? {
        guard let socket = try? PacketSocket.accept(listener) else { return nil }
        _ = fcntl(socket.rawValue, F_SETFL, 0)
        return withUnsafeTemporaryAllocation(byteCount: 512, alignment: 8) { buffer in
            guard let received = try? PacketSocket.receive(socket.rawValue, into: buffer) else {
                return nil
            }
            return (socket, received.descriptors)
        }
    }

    /// Waits for a connection.
    package func wait() {
        var waited = pollfd(fd: listener.rawValue, events: Int16(POLLIN), revents: 0)
        _ = poll(&waited, 1, -1)
    }

    private static func removePath() {
        let directory = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        unlink("\(directory)/vrdma-fuzz-\(getpid()).sock")
    }
}

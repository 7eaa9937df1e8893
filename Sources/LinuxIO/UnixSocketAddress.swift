import Glibc
import Verbs

/// Binding and connecting sockets at paths of the file system (unix(7)).
enum UnixSocketAddress {
    static func listen(path: String, type: Int32, extraFlags: Int32, mode: mode_t) throws(Errno) -> FileDescriptor {
        if (try? connect(path: path, type: type)) != nil { throw .addressInUse }
        unlink(path)
        let listener = try newSocket(type: type | extraFlags)
        // Nobody may connect between bind and chmod.
        let previousMask = umask(0o177)
        defer { umask(previousMask) }
        try withAddress(path) { address, length throws(Errno) in
            _ = try check { bind(listener.rawValue, address, length) }
        }
        try check { chmod(path, mode) }
        try check { Glibc.listen(listener.rawValue, 128) }
        return listener
    }

    static func connect(path: String, type: Int32) throws(Errno) -> FileDescriptor {
        let socket = try newSocket(type: type)
        try withAddress(path) { address, length throws(Errno) in
            _ = try check { Glibc.connect(socket.rawValue, address, length) }
        }
        return socket
    }

    private static func newSocket(type: Int32) throws(Errno) -> FileDescriptor {
        FileDescriptor(taking: try check { socket(AF_UNIX, type | Int32(SOCK_CLOEXEC.rawValue), 0) })
    }

    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) throws(Errno) -> Void
    ) throws(Errno) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { throw Errno(rawValue: ENAMETOOLONG) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        try withUnsafePointer(to: &address) { pointer throws(Errno) in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { rebound throws(Errno) in
                try body(rebound, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}

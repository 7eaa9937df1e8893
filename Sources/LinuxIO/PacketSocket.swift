import CLinux
import Glibc
import Verbs

/// Unix sockets of sequenced packets (unix(7), SOCK_SEQPACKET) that carry descriptors.
package enum PacketSocket {
    /// What was received: `byteCount` 0 is the end of the connection.
    package struct Received {
        package var byteCount: Int
        package var descriptors: [FileDescriptor]
        /// The packet or its descriptors did not fit.
        package var isTruncated: Bool
    }

    /// The peer's process and user at the time of its connect (SO_PEERCRED).
    package struct Credentials: Hashable, Sendable {
        package var processIdentifier: Int32
        package var userIdentifier: UInt32
        package var groupIdentifier: UInt32
    }

    /// Two connected sockets; the first one blocks, as an application expects of its descriptors.
    package static func pair() throws(Errno) -> (FileDescriptor, FileDescriptor) {
        var descriptors: [Int32] = [-1, -1]
        try check {
            socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &descriptors)
        }
        return (FileDescriptor(taking: descriptors[0]), FileDescriptor(taking: descriptors[1]))
    }

    /// A non-blocking listener at `path`. A socket that nobody listens on any more is replaced.
    ///
    /// Throws `EADDRINUSE` when somebody does, `ENAMETOOLONG` when the path exceeds 107 bytes.
    package static func listen(path: String, mode: mode_t = 0o600) throws(Errno) -> FileDescriptor {
        try UnixSocketAddress.listen(
            path: path, type: Int32(SOCK_SEQPACKET.rawValue), extraFlags: Int32(SOCK_NONBLOCK.rawValue), mode: mode)
    }

    /// The next connection, non-blocking; nil when there is none.
    package static func accept(_ listener: FileDescriptor) throws(Errno) -> FileDescriptor? {
        do throws(Errno) {
            return FileDescriptor(
                taking: try check { clinux_accept(listener.rawValue) })
        } catch {
            if error == .wouldBlock { return nil }
            throw error
        }
    }

    /// A blocking connection to `path`.
    package static func connect(path: String) throws(Errno) -> FileDescriptor {
        try UnixSocketAddress.connect(path: path, type: Int32(SOCK_SEQPACKET.rawValue))
    }

    package static func credentials(_ socket: FileDescriptor) throws(Errno) -> Credentials {
        var process: Int32 = 0
        var user: UInt32 = 0
        var group: UInt32 = 0
        try check { clinux_peer_credentials(socket.rawValue, &process, &user, &group) }
        return Credentials(processIdentifier: process, userIdentifier: user, groupIdentifier: group)
    }

    /// Whether a descriptor that somebody else made is a Unix socket of packets.
    package static func isPacketSocket(_ file: FileDescriptor) -> Bool {
        option(file, SO_DOMAIN) == AF_UNIX && option(file, SO_TYPE) == Int32(SOCK_SEQPACKET.rawValue)
    }

    /// Sends one packet. With `blocking` false a full socket throws `EAGAIN`, whatever the peer did to its flags.
    package static func send(
        _ rawSocket: Int32, _ bytes: UnsafeRawBufferPointer, descriptors: [Int32] = [], blocking: Bool = true
    ) throws(Errno) {
        let flags = blocking ? 0 : Int32(MSG_DONTWAIT)
        try check {
            clinux_send_packet(rawSocket, bytes.baseAddress, bytes.count, descriptors, descriptors.count, flags)
        }
    }

    /// Receives one packet; nil when `blocking` is false and there is none.
    package static func receive(
        _ rawSocket: Int32, into buffer: UnsafeMutableRawBufferPointer, blocking: Bool = true
    ) throws(Errno) -> Received? {
        var descriptors: [Int32] = .init(repeating: -1, count: 8)
        var count = 0
        var truncated = false
        let flags = blocking ? 0 : Int32(MSG_DONTWAIT)
        do throws(Errno) {
            let length = try check {
                clinux_receive_packet(
                    rawSocket, buffer.baseAddress, buffer.count, &descriptors, &count, &truncated, flags)
            }
            return Received(
                byteCount: length, descriptors: descriptors.prefix(count).map { FileDescriptor(taking: $0) },
                isTruncated: truncated)
        } catch {
            if error == .wouldBlock && !blocking { return nil }
            throw error
        }
    }

    private static func option(_ file: FileDescriptor, _ name: Int32) -> Int32? {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(file.rawValue, SOL_SOCKET, name, &value, &size) == 0 ? value : nil
    }
}

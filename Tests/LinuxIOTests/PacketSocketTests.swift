import CLinux
import Glibc
import LinuxIO
import Testing
import Verbs

/// Sockets of packets with descriptors (unix(7)).
struct PacketSocketTests {
    private func receive(_ socket: FileDescriptor, capacity: Int = 100) throws -> (PacketSocket.Received?, [UInt8]) {
        var bytes = [UInt8](repeating: 0, count: capacity)
        let received = try bytes.withUnsafeMutableBytes {
            try PacketSocket.receive(socket.rawValue, into: $0, blocking: false)
        }
        return (received, Array(bytes.prefix(received?.byteCount ?? 0)))
    }

    private func send(
        _ socket: FileDescriptor, _ bytes: [UInt8], _ descriptors: [FileDescriptor] = [], blocking: Bool = false
    ) throws {
        try bytes.withUnsafeBytes {
            try PacketSocket.send(
                socket.rawValue, $0, descriptors: descriptors.map(\.rawValue), blocking: blocking)
        }
    }

    @Test func packets() throws {
        let (one, other) = try PacketSocket.pair()
        #expect(try receive(other).0 == nil)
        try send(one, [1, 2, 3])
        try send(one, [4])
        #expect(try receive(other).1 == [1, 2, 3])
        #expect(try receive(other).1 == [4])
        #expect(try receive(other).0 == nil)
        #expect(PacketSocket.isPacketSocket(one))
    }

    @Test func descriptors() throws {
        let (one, other) = try PacketSocket.pair()
        let file = try MemoryFile.create(name: "vrdma-test", sizeBytes: 777)
        try send(one, [1], [file, file])
        let received = try #require(try receive(other).0)
        #expect(received.descriptors.count == 2)
        #expect(!received.isTruncated)
        #expect(try received.descriptors.map { try MemoryFile.sealedSizeBytes($0) } == [777, 777])
        // New numbers, closed on exec.
        for descriptor in received.descriptors {
            #expect(descriptor.rawValue != file.rawValue)
            #expect(fcntl(descriptor.rawValue, F_GETFD) & FD_CLOEXEC != 0)
        }
    }

    /// More than fit are closed by the kernel, and it is told.
    @Test func truncation() throws {
        let (one, other) = try PacketSocket.pair()
        let name = "vrdma-test-truncation"
        let file = try MemoryFile.create(name: name, sizeBytes: 4096)
        // A raw send: the wrapper itself sends no more than it can receive.
        try sendMany(one, file, count: 20)
        let received = try #require(try receive(other).0)
        #expect(received.isTruncated)
        #expect(received.descriptors.count <= 8)
        #expect(openDescriptors(of: name) == 1 + received.descriptors.count)
        try send(one, [UInt8](repeating: 5, count: 50))
        let cut = try #require(try receive(other, capacity: 10).0)
        #expect(cut.isTruncated)
    }

    private func sendMany(_ socket: FileDescriptor, _ file: FileDescriptor, count: Int) throws {
        var byte: UInt8 = 1
        let space = 16 + (4 * count + 7) / 8 * 8
        let control = UnsafeMutableRawPointer.allocate(byteCount: space, alignment: 8)
        defer { control.deallocate() }
        control.storeBytes(of: 16 + 4 * count, as: Int.self)
        control.storeBytes(of: SOL_SOCKET, toByteOffset: 8, as: Int32.self)
        control.storeBytes(of: 1, toByteOffset: 12, as: Int32.self)
        for index in 0..<count { control.storeBytes(of: file.rawValue, toByteOffset: 16 + 4 * index, as: Int32.self) }
        let sent = withUnsafeMutablePointer(to: &byte) { pointer in
            var vector = iovec(iov_base: pointer, iov_len: 1)
            return withUnsafeMutablePointer(to: &vector) { vectors in
                var header = msghdr()
                (header.msg_iov, header.msg_iovlen) = (vectors, 1)
                (header.msg_control, header.msg_controllen) = (control, space)
                return sendmsg(socket.rawValue, &header, Int32(MSG_NOSIGNAL))
            }
        }
        #expect(sent == 1)
    }

    private func openDescriptors(of name: String) -> Int {
        (0..<1024).count { number in
            var target = [UInt8](repeating: 0, count: 100)
            let length = readlink("/proc/self/fd/\(number)", &target, target.count)
            return length > 0 && String(decoding: target.prefix(length), as: UTF8.self).hasPrefix("/memfd:\(name)")
        }
    }

    /// A full socket does not hold the sender up, whatever the peer did to its flags.
    @Test func fullSocket() throws {
        let (one, _) = try PacketSocket.pair()
        let (sender, receiver) = try PacketSocket.pair()
        _ = one
        var sent = 0
        #expect(throws: Errno.wouldBlock) {
            while sent < 1_000_000 {
                try send(sender, [UInt8](repeating: 0, count: 100))
                sent += 1
            }
        }
        #expect(sent > 0)
        _ = try receive(receiver)
        try send(sender, [1])
    }

    @Test func closedPeer() throws {
        let sender: FileDescriptor
        do {
            let pair = try PacketSocket.pair()
            sender = pair.0
        }
        // No signal, an error.
        #expect(throws: Errno.self) { try send(sender, [1], blocking: true) }
        #expect(try receive(sender).0?.byteCount == 0)
    }

    @Test func listening() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/socket"
        let listener = try PacketSocket.listen(path: path, mode: 0o640)
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o640)
        #expect(try PacketSocket.accept(listener) == nil)
        let client = try PacketSocket.connect(path: path)
        let server = try #require(try PacketSocket.accept(listener))
        let credentials = try PacketSocket.credentials(server)
        #expect(credentials.processIdentifier == getpid())
        #expect(credentials.userIdentifier == getuid())
        try send(client, [1, 2])
        #expect(try receive(server).1 == [1, 2])
        // Somebody listens there.
        #expect(throws: Errno.addressInUse) { try PacketSocket.listen(path: path) }
    }

    /// A socket that nobody listens on any more is taken over.
    @Test func staleSocket() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/socket"
        do { _ = try PacketSocket.listen(path: path) }
        #expect(access(path, F_OK) == 0)
        #expect(throws: Errno.connectionRefused) { try PacketSocket.connect(path: path) }
        _ = try PacketSocket.listen(path: path)
    }

    @Test func paths() throws {
        #expect(throws: Errno.noSuchFile) { try PacketSocket.connect(path: "/nonexistent/socket") }
        let long = "/tmp/" + String(repeating: "x", count: 103)
        #expect(throws: Errno(rawValue: ENAMETOOLONG)) { try PacketSocket.listen(path: long) }
    }

    @Test func otherDescriptors() throws {
        #expect(!PacketSocket.isPacketSocket(try EventDescriptor.create()))
        #expect(!PacketSocket.isPacketSocket(try MemoryFile.create(name: "vrdma-test", sizeBytes: 1)))
        let datagrams = FileDescriptor(taking: socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0))
        #expect(!PacketSocket.isPacketSocket(datagrams))
    }
}

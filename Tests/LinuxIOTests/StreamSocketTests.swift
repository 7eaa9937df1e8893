import Glibc
import LinuxIO
import Testing
import Verbs

struct StreamSocketTests {
    @Test func questionAndAnswer() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/socket"
        let listener = try StreamSocket.listen(path: path)
        let client = try StreamSocket.connect(path: path)
        let server = try StreamSocket.accept(listener)
        try StreamSocket.write(client, Array("status\n".utf8))
        #expect(try StreamSocket.read(server, limitBytes: 4) == Array("stat".utf8))
        #expect(try StreamSocket.read(server, limitBytes: 100) == Array("us\n".utf8))
        let answer = [UInt8](repeating: 7, count: 100_000)
        try StreamSocket.write(server, answer)
        shutdown(server.rawValue, Int32(SHUT_WR))
        var found: [UInt8] = []
        while true {
            let part = try StreamSocket.read(client, limitBytes: 65_536)
            if part.isEmpty { break }
            found += part
        }
        #expect(found.count == answer.count)
        #expect(!PacketSocket.isPacketSocket(server))
    }

    @Test func limitedWaits() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/socket"
        let listener = try StreamSocket.listen(path: path)
        let client = try StreamSocket.connect(path: path)
        var time = timeval(tv_sec: 0, tv_usec: 1000)
        setsockopt(client.rawValue, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        #expect(throws: Errno.wouldBlock) { try StreamSocket.read(client, limitBytes: 10) }
        _ = listener
    }

    @Test func closedPeer() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/socket"
        let listener = try StreamSocket.listen(path: path)
        let client = try StreamSocket.connect(path: path)
        do { _ = try StreamSocket.accept(listener) }
        #expect(throws: Errno.self) {
            for _ in 0..<3 { try StreamSocket.write(client, [1, 2, 3]) }
        }
    }
}

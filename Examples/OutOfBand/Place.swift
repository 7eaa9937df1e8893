import Glibc

/// Where two programs meet: a TCP port or a Unix socket.
struct Place {
    private enum Kind {
        case internet(sockaddr_in)
        case file(sockaddr_un, path: String)
    }

    private let kind: Kind

    init(_ text: String) throws(OutOfBandConnection.Failure) {
        if text.contains("/") {
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            let bytes = Array(text.utf8)
            guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
                throw OutOfBandConnection.Failure("\(text): the path of a Unix socket has at most 107 bytes")
            }
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
            kind = .file(address, path: text)
            return
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, let port = UInt16(parts[1]) else {
            throw OutOfBandConnection.Failure("'\(text)' is neither HOST:PORT nor the path of a Unix socket")
        }
        let host = parts[0] == "localhost" ? "127.0.0.1" : parts[0]
        guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else {
            throw OutOfBandConnection.Failure("'\(host)' is no IPv4 address")
        }
        address.sin_port = port.bigEndian
        kind = .internet(address)
    }

    func makeSocket() throws(OutOfBandConnection.Failure) -> Int32 {
        let family =
            switch kind {
            case .internet: AF_INET
            case .file: AF_UNIX
            }
        let made = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard made >= 0 else { throw .system("socket") }
        return made
    }

    func withAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        func call<Address>(_ address: Address) -> Int32 {
            withUnsafePointer(to: address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<Address>.size))
                }
            }
        }
        return switch kind {
        case .internet(let address): call(address)
        case .file(let address, _): call(address)
        }
    }

    func prepareToListen(_ listener: Int32) {
        removeFile()
        setOption(listener, SOL_SOCKET, SO_REUSEADDR)
    }

    func prepareToTalk(_ connection: Int32) {
        if case .internet = kind { setOption(connection, Int32(IPPROTO_TCP), TCP_NODELAY) }
    }

    func removeFile() {
        if case .file(_, let path) = kind { unlink(path) }
    }

    private func setOption(_ socket: Int32, _ level: Int32, _ name: Int32) {
        var on: Int32 = 1
        setsockopt(socket, level, name, &on, socklen_t(MemoryLayout<Int32>.size))
    }
}

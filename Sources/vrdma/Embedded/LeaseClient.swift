import Glibc
import LinuxIO
import Verbs

/// A place at this user's own endpoint, as long as it is held.
struct Lease {
    /// The connection that holds the lease.
    let connection: FileDescriptor
    /// Where applications find the guest driver.
    let socketPath: String

    private static let maximumAttempts = 20

    /// Takes a lease; starts the background process if there is none.
    static func take(_ request: LeaseRequest, in directory: RuntimeDirectory) throws(ToolError) -> Lease {
        for _ in 0..<maximumAttempts {
            if let lease = try ask(request, in: directory) { return lease }
            let lock = try StartLock.acquire(directory)
            // Somebody may have started it while this process waited for the lock.
            if !accepts(directory.leaseSocketPath) { try BackgroundProcess.start(directory) }
            withExtendedLifetime(lock) {}
        }
        throw ToolError("the background process in \(directory.path) ends again and again; see \(directory.logPath)")
    }

    /// Asks a background process that is running. Nil when there is none, or when it ends just now.
    private static func ask(_ request: LeaseRequest, in directory: RuntimeDirectory) throws(ToolError) -> Lease? {
        let text: String
        let connection: FileDescriptor
        do throws(Errno) {
            connection = try PacketSocket.connect(path: directory.leaseSocketPath)
            try TextPacket.send(request.text, to: connection)
            text = try TextPacket.receive(from: connection, isBlocking: true) ?? ""
        } catch {
            // What is no directory is refused with its reason when the directory is prepared.
            if [.noSuchFile, .notDirectory, .connectionRefused, .connectionReset, .brokenPipe].contains(error) {
                return nil
            }
            throw ToolError("\(directory.leaseSocketPath): \(error)")
        }
        if text.isEmpty { return nil }
        switch LeaseAnswer(text) {
        case .granted(let path, _): return Lease(connection: connection, socketPath: path)
        case .refused(let reason): throw ToolError(reason)
        case nil: throw ToolError("\(directory.leaseSocketPath) answers in an unknown way; is another version running?")
        }
    }

    private static func accepts(_ path: String) -> Bool {
        (try? PacketSocket.connect(path: path)) != nil
    }
}

extension Errno {
    fileprivate static let brokenPipe = Errno(rawValue: EPIPE)
    fileprivate static let notDirectory = Errno(rawValue: ENOTDIR)
}

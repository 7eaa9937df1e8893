import CVRDMAABI
import LinuxIO
import SharedMemory
import Verbs

/// One application's connection.
final class ApplicationConnection {
    enum State {
        case awaitingHello(deadlineNanoseconds: UInt64)
        case active
        /// The endpoint is gone; the application has a moment to read that.
        case lost(deadlineNanoseconds: UInt64)
    }

    /// What arrived on the socket.
    enum Incoming {
        case nothing
        case packet([UInt8], descriptors: [FileDescriptor], descriptorsWereLost: Bool)
        case end
    }

    let identifier: ApplicationIdentifier
    let socket: FileDescriptor
    let credentials: PacketSocket.Credentials
    var state: State
    /// This side's end of the asynchronous events, which the endpoint has as well.
    var eventSocket: FileDescriptor?
    /// There may be something to read: the poller reports only what is new.
    var isReadable = false
    var isQueued = false
    /// It had a context at some time, and so is more than a question for the device.
    var hasOpenedContext = false
    /// Events that did not fit in the socket.
    var lostEventCount: UInt64 = 0

    init(
        _ identifier: ApplicationIdentifier, socket: FileDescriptor, credentials: PacketSocket.Credentials,
        helloDeadlineNanoseconds: UInt64
    ) {
        self.identifier = identifier
        self.socket = socket
        self.credentials = credentials
        state = .awaitingHello(deadlineNanoseconds: helloDeadlineNanoseconds)
    }

    /// When the connection is to be closed if nothing happens.
    var deadlineNanoseconds: UInt64? {
        switch state {
        case .awaitingHello(let deadline), .lost(let deadline): deadline
        case .active: nil
        }
    }

    /// Takes the next packet.
    func receive() -> Incoming {
        // Room for more than any packet of the protocol, so that one that is too long is seen as such.
        withUnsafeTemporaryAllocation(byteCount: 512, alignment: 8) { buffer in
            let received: PacketSocket.Received?
            do throws(Errno) {
                received = try PacketSocket.receive(socket.rawValue, into: buffer, blocking: false)
            } catch {
                return .end
            }
            guard let received else {
                isReadable = false
                return .nothing
            }
            guard received.byteCount > 0 else { return .end }
            return .packet(
                Array(buffer.prefix(received.byteCount)), descriptors: received.descriptors,
                descriptorsWereLost: received.isTruncated)
        }
    }

    /// Sends a welcome or a reply. False when the application does not read, or is gone.
    func send<Packet: BitwiseCopyable>(_ packet: Packet) -> Bool {
        do throws(Errno) {
            try withUnsafeBytes(of: packet) { (bytes) throws(Errno) in
                try PacketSocket.send(socket.rawValue, bytes, blocking: false)
            }
            return true
        } catch {
            return false
        }
    }

    /// Sends an event. Most applications never ask for events, so that a full socket is no reason to part; the end of
    /// the connection still tells of the loss of the device.
    func send(event: vrdma_async_event) {
        guard let eventSocket else { return }
        do throws(Errno) {
            try withUnsafeBytes(of: event) { (bytes) throws(Errno) in
                try PacketSocket.send(eventSocket.rawValue, bytes, blocking: false)
            }
        } catch {
            lostEventCount &+= 1
        }
    }
}

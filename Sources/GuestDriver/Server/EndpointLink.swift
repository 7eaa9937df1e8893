import CVRDMAABI
import LinuxIO
import SharedMemory
import Verbs

/// One connection to an endpoint: its socket, the command channel, and the commands on their way into it.
final class EndpointLink {
    /// The connection cannot be used any more.
    struct Failure: Error {
        var reason: String
    }

    /// A command that waits for room in the ring.
    private struct Outgoing {
        var message: vrdma_message
        /// Empty when there are none, or when they were sent.
        var descriptors: [FileDescriptor]
    }

    let socket: FileDescriptor
    private var channel: CommandChannel
    /// Wakes the endpoint.
    private let kick: FileDescriptor
    private var nextToken: UInt64 = 1
    /// Commands that the endpoint has not answered: never more than its ring of answers holds.
    private var unansweredCount: UInt32 = 0
    /// Those of them that brought descriptors; the endpoint keeps a limited number of sets until it sees the command.
    private var unclaimed: Set<UInt32> = []
    private static let unclaimedLimit = 32
    private var outgoing: [Outgoing] = []
    /// Replies to commands that could not be sent, in place of the endpoint's.
    private var rejected: [vrdma_message] = []

    /// Connects, makes the channel and says hello.
    init(path: String, hello: vrdma_hello) throws(Errno) {
        socket = try PacketSocket.connect(path: path)
        channel = try CommandChannel.create()
        kick = try EventDescriptor.create()
        let descriptors = [channel.mapping.file.rawValue, kick.rawValue]
        try withUnsafeBytes(of: hello) { (bytes) throws(Errno) in
            try PacketSocket.send(socket.rawValue, bytes, descriptors: descriptors, blocking: false)
        }
    }

    /// Whether commands wait for room.
    var isCongested: Bool { !outgoing.isEmpty }

    /// The endpoint's first packet; nil when it is not there yet, empty when the endpoint closed the connection.
    func receiveWelcome() throws(Errno) -> [UInt8]? {
        try receivePacket()
    }

    /// Takes the packets by which the endpoint woke this side.
    func takeWakeUps() throws(Failure) {
        // Bounded: what is left is reported again.
        for _ in 0..<16 {
            let packet: [UInt8]?
            do throws(Errno) {
                packet = try receivePacket()
            } catch {
                throw Failure(reason: error.description)
            }
            guard let packet else { return }
            guard !packet.isEmpty else { throw Failure(reason: "it closed the connection") }
        }
    }

    /// Puts a command behind those that wait for room.
    func enqueue(_ message: vrdma_message, descriptors: [FileDescriptor] = []) {
        outgoing.append(Outgoing(message: message, descriptors: descriptors))
    }

    /// Moves commands into the ring while there is room, and wakes the endpoint if it sleeps.
    ///
    /// - Returns: whether any was moved.
    func flush() throws(Failure) -> Bool {
        var movedCount = 0
        defer { outgoing.removeFirst(movedCount) }
        while movedCount < outgoing.count {
            guard unansweredCount < CommandChannel.defaultEntryCount else { break }
            switch try sendDescriptors(ofCommandAt: movedCount) {
            case .sent:
                guard try push(outgoing[movedCount].message) else { return kickAfterMoving(movedCount) }
                unansweredCount += 1
            case .waits:
                return kickAfterMoving(movedCount)
            case .failed(let error):
                rejected.append(outgoing[movedCount].message.reply(status: UInt32(bitPattern: error.rawValue)))
            }
            movedCount += 1
        }
        return kickAfterMoving(movedCount)
    }

    private func kickAfterMoving(_ movedCount: Int) -> Bool {
        if movedCount > 0, channel.takePeerKick() { EventDescriptor.signal(kick.rawValue) }
        return movedCount > 0
    }

    /// The endpoint's next message; nil when there is none.
    func pop() throws(Failure) -> vrdma_message? {
        if !rejected.isEmpty { return rejected.removeFirst() }
        let message: vrdma_message?
        do throws(MessageRing.Violation) {
            message = try channel.incoming.pop()
        } catch {
            throw Failure(reason: "the completion ring's index is out of range")
        }
        if let message, message.opcode != UInt16(truncatingIfNeeded: VRDMA_OP_ASYNC_EVENT.rawValue) {
            if unansweredCount > 0 { unansweredCount -= 1 }
            unclaimed.remove(message.sequence)
        }
        return message
    }

    /// Asks the endpoint to wake this side from now on.
    ///
    /// - Returns: false when there is a message already, and so no reason to sleep.
    func prepareToSleep() -> Bool {
        channel.ownKickWanted.exchange(1)
        if channel.incoming.isEmpty, rejected.isEmpty { return true }
        stayAwake()
        return false
    }

    /// Spares the endpoint the wake-ups while this side looks by itself.
    func stayAwake() {
        channel.ownKickWanted.storeRelaxed(0)
    }

    private enum Sending {
        case sent
        /// There is no room for them now.
        case waits
        /// Not for want of a connection: these descriptors cannot be sent.
        case failed(Errno)
    }

    /// Sends the descriptors of a command ahead of it.
    private func sendDescriptors(ofCommandAt index: Int) throws(Failure) -> Sending {
        let descriptors = outgoing[index].descriptors
        if descriptors.isEmpty { return .sent }
        guard unclaimed.count < Self.unclaimedLimit else { return .waits }
        let packet = vrdma_descriptor_packet(
            magic: VRDMA_ABI_MAGIC, descriptor_count: UInt32(descriptors.count), token: nextToken)
        do throws(Errno) {
            try withUnsafeBytes(of: packet) { (bytes) throws(Errno) in
                try PacketSocket.send(
                    socket.rawValue, bytes, descriptors: descriptors.map(\.rawValue), blocking: false)
            }
        } catch {
            switch error {
            case .wouldBlock: return .waits
            case .brokenPipe, .connectionReset: throw Failure(reason: error.description)
            // ETOOMANYREFS, say: an application chose its descriptors, and must not stall the others by them.
            default: return .failed(error)
            }
        }
        unclaimed.insert(outgoing[index].message.sequence)
        outgoing[index].message.descriptor_token = nextToken
        outgoing[index].descriptors = []
        nextToken &+= 1
        return .sent
    }

    private func push(_ message: vrdma_message) throws(Failure) -> Bool {
        do throws(MessageRing.Violation) {
            return try channel.outgoing.push(message)
        } catch {
            throw Failure(reason: "the command ring's index is out of range")
        }
    }

    private func receivePacket() throws(Errno) -> [UInt8]? {
        try withUnsafeTemporaryAllocation(byteCount: 512, alignment: 8) { (buffer) throws(Errno) in
            guard let received = try PacketSocket.receive(socket.rawValue, into: buffer, blocking: false) else {
                return nil
            }
            return Array(buffer.prefix(received.byteCount))
        }
    }
}

import CVRDMAABI
import Endpoint
import LinuxIO
import SharedMemory
import Verbs

/// The endpoint's side of one guest driver: its socket, its channel, and the descriptors that came for commands.
struct GuestConnection {
    /// Why a connection is ended.
    struct Ended: Error {
        var reason: String
        /// The guest driver broke the protocol, rather than having gone.
        var isViolation: Bool

        static let closed = Ended(reason: "the guest driver closed the connection", isViolation: false)
        static let outOfRange = violation("command channel index out of range")
        static func violation(_ reason: String) -> Ended { Ended(reason: reason, isViolation: true) }
    }

    let socket: FileDescriptor
    let kick: FileDescriptor
    let guest: UInt32
    let credentials: PacketSocket.Credentials
    private var channel: CommandChannel
    private var descriptors: [UInt64: [FileDescriptor]] = [:]
    /// Tokens whose descriptors did not arrive, because this process has no room for more.
    private var lostTokens: Set<UInt64> = []
    /// Looked at in every round; otherwise the guest driver kicks.
    var isHot = false
    var idleRounds = 0

    /// Sets of descriptors that may wait for their commands.
    private static let unclaimedLimit = 64
    /// Commands of one guest in one round.
    private static let commandsPerRound = 32

    init(
        socket: FileDescriptor, kick: FileDescriptor, guest: UInt32, credentials: PacketSocket.Credentials,
        channel: CommandChannel
    ) {
        self.socket = socket
        self.kick = kick
        self.guest = guest
        self.credentials = credentials
        self.channel = channel
    }

    /// Takes the descriptor packets that arrived.
    mutating func receiveDescriptors() throws(Ended) {
        for _ in 0...Self.unclaimedLimit {
            var packet = vrdma_descriptor_packet()
            let size = MemoryLayout<vrdma_descriptor_packet>.size
            let received: PacketSocket.Received?
            do throws(Errno) {
                received = try withUnsafeMutableBytes(of: &packet) { buffer throws(Errno) in
                    try PacketSocket.receive(socket.rawValue, into: buffer, blocking: false)
                }
            } catch {
                throw .closed
            }
            guard let received else { return }
            guard received.byteCount > 0 else { throw .closed }
            guard received.byteCount == size, packet.magic == VRDMA_ABI_MAGIC, packet.token != 0,
                packet.descriptor_count <= VRDMA_MAX_DESCRIPTORS,
                received.isTruncated || Int(packet.descriptor_count) == received.descriptors.count,
                received.descriptors.count <= Int(VRDMA_MAX_DESCRIPTORS), descriptors[packet.token] == nil
            else { throw .violation("malformed descriptor packet") }
            guard descriptors.count < Self.unclaimedLimit else { throw .violation("too many unclaimed descriptors") }
            descriptors[packet.token] = received.isTruncated ? [] : received.descriptors
            if received.isTruncated { lostTokens.insert(packet.token) }
        }
    }

    /// Carries out the commands that wait, a bounded number of them. Returns how many there were.
    ///
    /// - Parameter carryOut: returns the reply, or nil when `answer` will be called with it.
    mutating func serve(_ carryOut: (vrdma_message, [FileDescriptor]) -> vrdma_message?) throws(Ended) -> Int {
        for count in 0..<Self.commandsPerRound {
            let next: vrdma_message?
            do throws(MessageRing.Violation) {
                next = try channel.incoming.pop()
            } catch {
                throw .outOfRange
            }
            guard let command = next else { return count }
            let arrived = takeDescriptors(of: command)
            let reply =
                lostTokens.remove(command.descriptor_token) == nil
                ? carryOut(command, arrived)
                : command.reply(status: UInt32(Errno.tooManyOpenFiles.rawValue))
            if let reply { try answer(reply) }
        }
        return Self.commandsPerRound
    }

    /// Gives the guest driver a reply, and wakes it if it sleeps.
    mutating func answer(_ reply: vrdma_message) throws(Ended) {
        do throws(MessageRing.Violation) {
            guard try channel.outgoing.push(reply) else {
                // A guest driver never has more commands under way than its ring of completions holds.
                throw MessageRing.Violation()
            }
        } catch {
            throw .outOfRange
        }
        if channel.takePeerKick() { wakeGuestDriver() }
    }

    /// Asks for a kick. False when a command came just before.
    func prepareToSleep() -> Bool {
        channel.ownKickWanted.exchange(1)
        guard channel.incoming.isEmpty else {
            channel.ownKickWanted.storeRelaxed(0)
            return false
        }
        return true
    }

    func wake() {
        channel.ownKickWanted.storeRelaxed(0)
    }

    private mutating func takeDescriptors(of command: vrdma_message) -> [FileDescriptor] {
        guard command.descriptor_token != 0 else { return [] }
        // They were sent before the command.
        if descriptors[command.descriptor_token] == nil { try? receiveDescriptors() }
        return descriptors.removeValue(forKey: command.descriptor_token) ?? []
    }

    private func wakeGuestDriver() {
        // A packet and not an eventfd: the guest shares an eventfd's file description and could make it block.
        withUnsafeBytes(of: UInt8(1)) { try? PacketSocket.send(socket.rawValue, $0, blocking: false) }
    }
}

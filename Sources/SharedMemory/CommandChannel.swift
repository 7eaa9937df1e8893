import CVRDMAABI
import LinuxIO
import Verbs

/// The command channel between a guest driver and the endpoint: one sealed memfd that the guest driver allocates, with
/// a ring of commands, a ring of completions and a wake-up word for each side.
package struct CommandChannel {
    /// A side of the channel.
    package enum Side {
        case guestDriver
        case endpoint
    }

    package let mapping: Mapping
    /// What this side reads.
    package var incoming: MessageRing
    /// What this side writes.
    package var outgoing: MessageRing
    /// Set by this side before it sleeps.
    package let ownKickWanted: SharedIndex
    /// Set by the peer before it sleeps.
    package let peerKickWanted: SharedIndex

    /// The number of entries of each ring that a guest driver of this version makes.
    package static let defaultEntryCount: UInt32 = 256

    /// A new channel, for a guest driver.
    package static func create() throws(Errno) -> CommandChannel {
        let ringBytes = Int(defaultEntryCount) * MemoryLayout<vrdma_message>.size
        let mapping = try Mapping(name: "vrdma-channel", sizeBytes: 4096 + 2 * ringBytes)
        let header = mapping.base.assumingMemoryBound(to: vrdma_channel_header.self)
        header.pointee.magic = VRDMA_ABI_MAGIC
        header.pointee.major = UInt16(VRDMA_ABI_MAJOR)
        header.pointee.minor = UInt16(VRDMA_ABI_MINOR)
        header.pointee.command_entries = defaultEntryCount
        header.pointee.command_offset = 4096
        header.pointee.completion_entries = defaultEntryCount
        header.pointee.completion_offset = UInt32(4096 + ringBytes)
        header.pointee.endpoint_kick_wanted = 1
        header.pointee.guest_driver_kick_wanted = 1
        return try CommandChannel(mapping, side: .guestDriver)
    }

    /// A side's view. Throws `EINVAL` for a shape that is wrong and `EPROTONOSUPPORT` for another version.
    package init(_ mapping: Mapping, side: Side) throws(Errno) {
        guard mapping.contains(offset: 0, count: 4096) else { throw .invalidArgument }
        // The shape is read once: it lies in memory that the peer can change.
        let header = mapping.base.load(as: vrdma_channel_header.self)
        guard header.magic == VRDMA_ABI_MAGIC else { throw .invalidArgument }
        guard header.major == VRDMA_ABI_MAJOR else { throw .protocolNotSupported }
        let offset = { (path: PartialKeyPath<vrdma_channel_header>) in
            MemoryLayout<vrdma_channel_header>.offset(of: path) ?? 0
        }
        guard header.command_offset >= 4096, header.completion_offset >= 4096,
            let commands = MessageRing(
                mapping, tailOffset: offset(\.command_tail), headOffset: offset(\.command_head),
                entriesOffset: header.command_offset, entryCount: header.command_entries),
            let completions = MessageRing(
                mapping, tailOffset: offset(\.completion_tail), headOffset: offset(\.completion_head),
                entriesOffset: header.completion_offset, entryCount: header.completion_entries)
        else { throw .invalidArgument }
        self.mapping = mapping
        let endpointWord = SharedIndex(mapping.base + offset(\.endpoint_kick_wanted))
        let guestWord = SharedIndex(mapping.base + offset(\.guest_driver_kick_wanted))
        switch side {
        case .guestDriver:
            (incoming, outgoing) = (completions, commands)
            (ownKickWanted, peerKickWanted) = (guestWord, endpointWord)
        case .endpoint:
            (incoming, outgoing) = (commands, completions)
            (ownKickWanted, peerKickWanted) = (endpointWord, guestWord)
        }
    }

    /// After a push: whether the peer sleeps and this caller has to wake it.
    package func takePeerKick() -> Bool {
        peerKickWanted.relaxed() == 1 && peerKickWanted.exchange(0) == 1
    }
}

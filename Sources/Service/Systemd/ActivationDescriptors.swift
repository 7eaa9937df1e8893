import CSystemd
import Glibc
import LinuxIO

/// Descriptors that the service manager passed to this process (sd_listen_fds(3)): listening sockets of its socket
/// units, under their `FileDescriptorName=`, and descriptors stored before a restart.
package struct ActivationDescriptors: Sendable {
    private var filesByName: [String: [FileDescriptor]] = [:]

    /// No descriptors.
    package init() {}

    /// Takes over what the manager passed, once; a second call finds none. Descriptors are closed on exec from then on,
    /// and children do not inherit the environment that announces them.
    package static func take() -> ActivationDescriptors {
        var taken = ActivationDescriptors()
        var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        let count = sd_listen_fds_with_names(1, &names)
        guard count > 0 else { return taken }
        defer {
            for index in 0..<Int(count) { free(names?[index]) }
            free(names)
        }
        for index in 0..<count {
            let name = names?[Int(index)].map { String(cString: $0) } ?? ""
            taken.filesByName[name, default: []].append(FileDescriptor(taking: SD_LISTEN_FDS_START + index))
        }
        return taken
    }

    /// The names that there are.
    package var names: [String] {
        filesByName.keys.sorted()
    }

    /// The descriptors of a name, in the order in which the manager passed them.
    package func files(named name: String) -> [FileDescriptor] {
        filesByName[name] ?? []
    }

    /// What a listening Unix socket carries.
    package enum SocketKind: Sendable {
        /// Packets, as `PacketSocket` has them; the listener does not block.
        case packets
        /// A stream of bytes, as `StreamSocket` has it; the listener blocks.
        case stream
    }

    /// The listening socket of a name, in the state in which `PacketSocket.listen` or `StreamSocket.listen` makes one.
    ///
    /// The service manager keeps the same open socket for the next process: shutdown(2) on it would end both.
    ///
    /// - Returns: nil when the manager passed none.
    package func listener(named name: String, _ kind: SocketKind) throws(ActivationError) -> FileDescriptor? {
        guard let file = files(named: name).first else { return nil }
        let type = kind == .packets ? SOCK_SEQPACKET : SOCK_STREAM
        guard sd_is_socket_unix(file.rawValue, Int32(type.rawValue), 1, nil, 0) > 0 else {
            throw ActivationError(name: name, kind: kind)
        }
        // The manager leaves the flag as the unit's NonBlocking= says.
        let flags = fcntl(file.rawValue, F_GETFL)
        _ = fcntl(file.rawValue, F_SETFL, kind == .packets ? flags | O_NONBLOCK : flags & ~O_NONBLOCK)
        return file
    }

    /// For tests: descriptors as if the manager had passed them.
    init(_ filesByName: [String: [FileDescriptor]]) {
        self.filesByName = filesByName
    }
}

/// A socket unit makes another kind of socket than the daemon needs.
package struct ActivationError: Error, Sendable, CustomStringConvertible {
    /// The descriptor's name.
    package let name: String
    /// What is needed.
    package let kind: ActivationDescriptors.SocketKind

    package var description: String {
        let setting = kind == .packets ? "ListenSequentialPacket" : "ListenStream"
        return "the descriptor '\(name)' is not a listening Unix socket of the right kind; "
            + "use \(setting)= in its socket unit"
    }
}

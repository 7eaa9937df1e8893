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

    /// Whether a descriptor is a listening Unix socket of sequenced packets, as the channel needs.
    package static func isPacketListener(_ file: FileDescriptor) -> Bool {
        sd_is_socket_unix(file.rawValue, Int32(SOCK_SEQPACKET.rawValue), 1, nil, 0) > 0
    }
}

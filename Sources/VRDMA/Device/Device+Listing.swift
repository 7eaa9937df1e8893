internal import Glibc
internal import Provider
internal import SharedMemory

extension Device {
    /// A device that can be opened.
    public struct Description: Hashable, Sendable {
        /// The Unix socket of its guest driver, for `open(socketPath:)`.
        public let socketPath: String
        /// The name of the guest.
        public let guestName: String
        /// The guest's address.
        public let address: GID
    }

    /// The socket that `open` takes when none is given: the environment's `VRDMA_GUEST_SOCKET`, else that of the guest
    /// named `default`.
    public static var defaultSocketPath: String { ProviderContext.defaultSocketPath() }

    /// The devices that this process can open: the one that the environment names, or else those of all guest drivers
    /// of the system that answer (ibv_get_device_list(3)).
    public static func list() -> [Description] {
        let paths = getenv("VRDMA_GUEST_SOCKET") != nil ? [defaultSocketPath] : systemSocketPaths()
        return paths.compactMap { path in
            guard let welcome = try? ProviderContext.probe(socketPath: path) else { return nil }
            return Description(
                socketPath: path, guestName: FixedText.read(welcome.guest_name), address: GID(welcome.address))
        }
    }

    private static let systemDirectory = "/run/vrdma/guests"

    private static func systemSocketPaths() -> [String] {
        guard let directory = opendir(systemDirectory) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasSuffix(".sock") { names.append(name) }
        }
        return names.sorted().map { "\(systemDirectory)/\($0)" }
    }
}

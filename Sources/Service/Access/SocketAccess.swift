import Glibc
import Verbs

/// Who may connect to a Unix socket: connecting needs write permission on its file (unix(7)).
package struct SocketAccess: Hashable, Sendable {
    /// The owner; nil leaves the user that the daemon runs as.
    package var owner: AccountName?
    /// The group; nil leaves the group that the daemon runs as.
    package var group: AccountName?
    /// Permission bits.
    package var mode: UInt32

    /// Creates the description of a socket's access.
    package init(owner: AccountName? = nil, group: AccountName? = nil, mode: UInt32 = 0o660) {
        self.owner = owner
        self.group = group
        self.mode = mode
    }

    /// Gives the socket at `path` this owner, group and mode.
    ///
    /// The socket must have been bound with a mode that keeps others out, since it exists before this call.
    package func apply(to path: String, accounts: AccountDatabase = .system) throws(SocketAccessError) {
        let user: UInt32?
        let groupIdentifier: UInt32?
        do throws(AccountError) {
            user = try owner.map { (name) throws(AccountError) in try accounts.user(name) }
            groupIdentifier = try group.map { (name) throws(AccountError) in try accounts.group(name) }
        } catch {
            throw SocketAccessError(path: path, reason: error.description)
        }
        // -1 leaves an identifier as it is (chown(2)).
        if user != nil || groupIdentifier != nil,
            lchown(path, user ?? UInt32.max, groupIdentifier ?? UInt32.max) != 0
        {
            let names = "\(owner?.description ?? "")\(group.map { ":\($0)" } ?? "")"
            throw SocketAccessError(
                path: path,
                reason: "cannot be given to '\(names)': \(Errno.current); run the daemon as root or as a member of it")
        }
        if chmod(path, mode) != 0 {
            throw SocketAccessError(path: path, reason: "mode cannot be set: \(Errno.current)")
        }
    }
}

/// Why a socket's owner, group or mode could not be set.
package struct SocketAccessError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The socket.
    package let path: String
    /// What failed and what to do.
    package let reason: String

    package var description: String { "socket \(path): \(reason)" }
}

extension SocketAccess {
    /// The keys `owner`, `group` and `mode`.
    static let settings: [ConfigurationSetting<SocketAccess>] = [
        .account("owner", \.owner),
        .account("group", \.group),
        mode("mode", \.mode),
    ]

    static func mode<Root>(
        _ key: String, _ path: SettingPath<Root, UInt32>
    ) -> ConfigurationSetting<Root> {
        ConfigurationSetting<Root>(
            key, path, permitted: "an octal number from 0 to 777",
            parse: { (text) throws(ConfigurationValueError) in try ConfigurationValue.fileMode(text) },
            format: ConfigurationUnits.fileMode)
    }
}

import Glibc
import Verbs

/// Why a user or group has no identifier.
package enum AccountError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The database has no such user.
    case unknownUser(String)
    /// The database has no such group.
    case unknownGroup(String)
    /// The database could not be asked.
    case lookupFailed(String, Errno)

    package var description: String {
        switch self {
        case .unknownUser(let name):
            "there is no user '\(name)'; create it, give a number, or (for the user of a systemd unit with "
                + "DynamicUser=) start the unit and install libnss-systemd"
        case .unknownGroup(let name): "there is no group '\(name)'; create it or give a number"
        case .lookupFailed(let name, let error): "'\(name)' could not be looked up: \(error)"
        }
    }
}

/// Resolves names of users and groups; a value, so that tests bring their own.
package struct AccountDatabase: Sendable {
    /// The identifier of a user name; nil when there is none.
    package var userIdentifier: @Sendable (String) throws(Errno) -> UInt32?
    /// The identifier of a group name; nil when there is none.
    package var groupIdentifier: @Sendable (String) throws(Errno) -> UInt32?

    /// Creates a database from its two questions.
    package init(
        userIdentifier: @escaping @Sendable (String) throws(Errno) -> UInt32?,
        groupIdentifier: @escaping @Sendable (String) throws(Errno) -> UInt32?
    ) {
        self.userIdentifier = userIdentifier
        self.groupIdentifier = groupIdentifier
    }

    /// The system's: getpwnam_r(3) and getgrnam_r(3).
    package static let system = AccountDatabase(
        userIdentifier: { (name) throws(Errno) in
            var entry = passwd()
            var found: UnsafeMutablePointer<passwd>?
            try lookUp { getpwnam_r(name, &entry, $0, $1, &found) }
            return found == nil ? nil : entry.pw_uid
        },
        groupIdentifier: { (name) throws(Errno) in
            var entry = Glibc.group()
            var found: UnsafeMutablePointer<Glibc.group>?
            try lookUp { getgrnam_r(name, &entry, $0, $1, &found) }
            return found == nil ? nil : entry.gr_gid
        })

    /// The identifier of a user.
    package func user(_ account: AccountName) throws(AccountError) -> UInt32 {
        try resolve(account, userIdentifier, AccountError.unknownUser)
    }

    /// The identifier of a group.
    package func group(_ account: AccountName) throws(AccountError) -> UInt32 {
        try resolve(account, groupIdentifier, AccountError.unknownGroup)
    }

    private func resolve(
        _ account: AccountName, _ ask: (String) throws(Errno) -> UInt32?, _ unknown: (String) -> AccountError
    ) throws(AccountError) -> UInt32 {
        switch account {
        case .identifier(let number): return number
        case .name(let name):
            do throws(Errno) {
                if let number = try ask(name) { return number }
            } catch {
                throw .lookupFailed(name, error)
            }
            throw unknown(name)
        }
    }

    /// Calls a reentrant look-up with a buffer that grows while it is too small; a group may have many members.
    private static func lookUp(_ call: (UnsafeMutablePointer<CChar>, Int) -> Int32) throws(Errno) {
        var capacity = 1024
        while true {
            let result = withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
                buffer.baseAddress.map { call($0, buffer.count) } ?? ENOMEM
            }
            switch result {
            // getpwnam_r(3) lists these for "no such name" beside the 0 that POSIX asks for.
            case 0, ENOENT, ESRCH, EBADF, EPERM: return
            case EINTR: continue
            case ERANGE where capacity < 1 << 20: capacity *= 4
            default: throw Errno(rawValue: result)
            }
        }
    }
}

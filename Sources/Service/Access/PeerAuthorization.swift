import Verbs

/// Decides whether a process may be the driver of a guest.
///
/// The process is known by what the kernel says of it (SO_PEERCRED), the guest by what the process claims.
package struct PeerAuthorization: Sendable {
    private let configuration: EndpointConfiguration
    private let accounts: AccountDatabase

    /// Creates the authorization of a configuration; make a new one when that is reloaded.
    package init(_ configuration: EndpointConfiguration, accounts: AccountDatabase = .system) {
        self.configuration = configuration
        self.accounts = accounts
    }

    /// What an admitted guest gets.
    package struct Admission: Hashable, Sendable {
        /// Its address.
        package var address: GID
        /// Its limits.
        package var limits: GuestLimits
    }

    /// Checks a claim.
    ///
    /// Whether the name and the address are in use by a running guest, and how many guests there are, is the caller's to
    /// check: it depends on more than the configuration.
    ///
    /// - Parameters:
    ///   - name: the guest that the process claims to drive.
    ///   - address: the address that it claims; zero asks for the configured one.
    ///   - userIdentifier: the user of the process.
    /// - Returns: the guest's address and limits.
    package func admit(
        name: String, address: GID, userIdentifier: UInt32
    ) throws(AuthorizationError) -> Admission {
        guard GuestName.isValid(name) else { throw .invalidName }
        let guest = configuration.guest(named: name)
        if let guest {
            try requireUser(of: guest, userIdentifier)
        } else if configuration.admission == .listed {
            throw .notListed(name)
        }
        let admitted = try self.address(name, guest, claimed: address)
        return Admission(address: admitted, limits: guest?.limits ?? configuration.limits)
    }

    private func requireUser(
        of guest: EndpointConfiguration.Guest, _ userIdentifier: UInt32
    ) throws(AuthorizationError) {
        guard let user = guest.user else { return }
        let permitted: UInt32
        do throws(AccountError) {
            permitted = try accounts.user(user)
        } catch {
            throw .userUnknown(guest.name, error)
        }
        guard permitted == userIdentifier else {
            throw .wrongUser(guest: guest.name, permitted: user, actual: userIdentifier)
        }
    }

    private func address(
        _ name: String, _ guest: EndpointConfiguration.Guest?, claimed: GID
    ) throws(AuthorizationError) -> GID {
        if let configured = guest?.address {
            guard claimed.isZero || claimed == configured else {
                throw .wrongAddress(guest: name, configured: configured, claimed: claimed)
            }
            return configured
        }
        guard GuestAddress.parse(claimed.description) != nil else { throw .invalidAddress(claimed) }
        if let owner = configuration.guests.first(where: { $0.address == claimed }) {
            throw .addressReserved(claimed, guest: owner.name)
        }
        return claimed
    }
}

/// Why a process may not be the driver of a guest.
package enum AuthorizationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The claimed name breaks the rule for names.
    case invalidName
    /// Only listed guests are admitted, and this is none.
    case notListed(String)
    /// The guest's user has no identifier.
    case userUnknown(String, AccountError)
    /// The process belongs to another user.
    case wrongUser(guest: String, permitted: AccountName, actual: UInt32)
    /// The claimed address is not the configured one.
    case wrongAddress(guest: String, configured: GID, claimed: GID)
    /// The claimed address cannot be a host's.
    case invalidAddress(GID)
    /// The claimed address is another guest's.
    case addressReserved(GID, guest: String)

    /// The error number to answer with.
    package var errno: Errno {
        switch self {
        case .invalidName, .invalidAddress: .invalidArgument
        case .addressReserved: .addressInUse
        case .notListed, .userUnknown, .wrongUser, .wrongAddress: .accessDenied
        }
    }

    package var description: String {
        switch self {
        case .invalidName: "not a guest name; permitted: \(GuestName.permitted)"
        case .notListed(let name): "guest '\(name)' is not listed in the endpoint's configuration"
        case .userUnknown(let name, let error): "the user of guest '\(name)' is unknown: \(error)"
        case .wrongUser(let guest, let permitted, let actual):
            "guest '\(guest)' belongs to user \(permitted), not to user number \(actual)"
        case .wrongAddress(let guest, let configured, let claimed):
            "guest '\(guest)' has the address \(configured), not \(claimed)"
        case .invalidAddress(let address): "\(address) is not the address of a host"
        case .addressReserved(let address, let guest): "the address \(address) is reserved for guest '\(guest)'"
        }
    }
}

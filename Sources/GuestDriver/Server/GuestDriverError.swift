import Verbs

/// Why a guest driver could not start, or could not go on.
package enum GuestDriverError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The socket of the applications could not be made.
    case cannotListen(path: String, reason: String)
    /// Nobody listens at the endpoint's socket, or it may not be opened.
    case endpointUnreachable(path: String, Errno)
    /// The endpoint does not want this guest.
    case endpointRefused(path: String, EndpointRefusal)
    /// A system call that needs nothing from outside failed.
    case system(String, Errno)

    package var description: String {
        switch self {
        case .cannotListen(let path, let reason): "cannot listen at \(path): \(reason)"
        case .endpointUnreachable(let path, let error):
            "the endpoint at \(path) cannot be reached: \(error); \(Self.remedy(error))"
        case .endpointRefused(let path, let refusal):
            "the endpoint at \(path) refuses: \(refusal.message); \(refusal.remedy)"
        case .system(let call, let error): "\(call): \(error)"
        }
    }

    private static func remedy(_ error: Errno) -> String {
        switch error {
        case .noSuchFile, .connectionRefused: "start vrdma-endpointd, or correct 'endpoint-socket'"
        case .accessDenied, .notPermitted: "run as a member of the socket's group, or change 'group' or 'mode' there"
        default: "see the endpoint's log"
        }
    }
}

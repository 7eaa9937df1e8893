import Verbs

/// Why an endpoint could not start, or could not go on.
package enum EndpointError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A socket could not be made.
    case cannotListen(path: String, reason: String)
    /// The host adapter cannot be made; the reason says what there is instead.
    case hostAdapter(String)
    /// A system call that needs nothing from outside failed.
    case system(String, Errno)

    package var description: String {
        switch self {
        case .cannotListen(let path, let reason): "cannot listen at \(path): \(reason)"
        case .hostAdapter(let reason): "the host adapter: \(reason)"
        case .system(let call, let error): "\(call): \(error)"
        }
    }
}

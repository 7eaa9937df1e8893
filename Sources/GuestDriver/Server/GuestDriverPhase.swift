import Verbs

/// What a guest driver is doing, for whoever supervises it.
package enum GuestDriverPhase: Hashable, Sendable, CustomStringConvertible {
    /// There is no endpoint yet, or none any more.
    case waitingForEndpoint(GuestDriverError?)
    /// Applications find a device.
    case ready(DeviceIdentity)
    /// Commands under way are finished, new ones are not begun.
    case stopping

    /// One line for `systemctl status`.
    package var description: String {
        switch self {
        case .waitingForEndpoint(let error): error.map { "Waiting: \($0)" } ?? "Waiting for the endpoint"
        case .ready(let identity): "Guest \(identity.name) at \(identity.address) is connected"
        case .stopping: "Stopping"
        }
    }
}

import Verbs

/// What the endpoint says of the guest in its welcome.
package struct DeviceIdentity: Hashable, Sendable {
    /// The guest's number at this endpoint.
    package var guestIdentifier: UInt32
    /// The guest's name.
    package var name: String
    /// The guest's address.
    package var address: GID
    /// The features in force.
    package var features: UInt64

    /// Creates an identity.
    package init(guestIdentifier: UInt32, name: String, address: GID, features: UInt64) {
        self.guestIdentifier = guestIdentifier
        self.name = name
        self.address = address
        self.features = features
    }
}

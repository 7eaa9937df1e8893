import Endpoint

/// The document behind `vrdma status`.
package struct EndpointStatus: Sendable, Codable {
    /// The endpoint itself.
    package struct Endpoint: Sendable, Codable {
        package var pid: Int32
        package var uptimeSeconds: Double
        /// The way to peers elsewhere: `none` in this version.
        package var adapter: String
        /// Turns of the engine.
        package var polls: UInt64
        /// How often it went to sleep.
        package var sleeps: UInt64
        package var guestLimit: Int
    }

    package var version: String
    package var endpoint: Endpoint
    package var guests: [DeviceStatus.Guest]
}

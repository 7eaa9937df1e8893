import Endpoint

/// The document behind `vrdma status`.
package struct EndpointStatus: Sendable, Codable {
    /// The endpoint itself.
    package struct Endpoint: Sendable, Codable {
        package var pid: Int32
        package var uptimeSeconds: Double
        /// The kind of way to peers elsewhere: `none` or `verbs`.
        package var adapter: String
        /// The port of the host adapter's device.
        package var devicePort: Int?
        /// Turns of the engine.
        package var polls: UInt64
        /// How often it went to sleep.
        package var sleeps: UInt64
        package var guestLimit: Int
    }

    package var version: String
    package var endpoint: Endpoint
    /// The host adapter's device; nil when there is no host adapter.
    package var host: DeviceStatus.Host?
    package var guests: [DeviceStatus.Guest]
}

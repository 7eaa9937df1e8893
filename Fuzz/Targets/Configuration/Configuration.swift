import Endpoint
import EndpointRuntime
import FuzzKit

@testable import Service

/// Configuration files: the first byte chooses the daemon, the rest is the file.
@main
enum Configuration: FuzzTarget {
    static func run(_ input: inout FuzzInput) {
        let isGuest = input.byte() & 1 == 1
        // As when a file is read: other bytes are refused before.
        guard let text = String(validating: input.takeRest(), as: UTF8.self) else { return }
        let file = ConfigurationFile(parsing: text, path: "fuzz.conf")
        do throws(ConfigurationError) {
            if isGuest {
                let configuration = try GuestConfiguration(file)
                if !GuestName.isValid(configuration.name) { fuzzFailure("a wrong name was accepted") }
                _ = configuration.changes(from: GuestConfiguration(name: "other", address: nil))
            } else {
                let configuration = try EndpointConfiguration(file)
                _ = configuration.changes(from: EndpointConfiguration())
                _ = DeviceLimits(configuration)
                for guest in configuration.guests { _ = DeviceLimits(configuration, limits: guest.limits) }
            }
        } catch {
            if error.mistakes.isEmpty || error.description.isEmpty { fuzzFailure("a refusal without a mistake") }
        }
    }
}

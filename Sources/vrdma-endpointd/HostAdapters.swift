import Endpoint
import EndpointRuntime
import Service
import VerbsAdapter

/// The host adapters that this daemon can make.
enum HostAdapters {
    static let factory: HostAdapterFactory = { (configuration, _) throws(EndpointError) in
        switch configuration.host.adapter {
        case .none: nil
        case .verbs: try verbs(configuration)
        }
    }

    private static func verbs(_ configuration: EndpointConfiguration) throws(EndpointError) -> any HostAdapter {
        guard let device = configuration.host.deviceName else { throw .hostAdapter("no device is configured") }
        var limits = VerbsAdapterLimits()
        limits.queuePairs = configuration.totals.queuePairs
        // The engine's indices begin at 1.
        limits.completionQueues = configuration.totals.completionQueues + 1
        do throws(VerbsAdapterError) {
            return try VerbsAdapter(deviceName: device, port: configuration.host.devicePort, limits: limits)
        } catch {
            throw .hostAdapter(error.description)
        }
    }
}

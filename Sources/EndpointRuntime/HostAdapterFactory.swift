import Endpoint
import Service

/// Makes the host adapter that a configuration asks for; nil for a kind that the factory does not know.
///
/// Called on the thread of `EndpointServer.run()`, on which the adapter is used and given up too.
package typealias HostAdapterFactory =
    @Sendable (EndpointConfiguration, Log) throws(EndpointError) -> (any HostAdapter)?

extension EndpointConfiguration {
    /// The host adapter, or nil when none is configured.
    ///
    /// - Throws: `EndpointError.hostAdapter` also when the factory knows no such adapter.
    func makeHostAdapter(_ factory: HostAdapterFactory?, log: Log) throws(EndpointError) -> (any HostAdapter)? {
        guard host.adapter != .none else { return nil }
        guard let adapter = try factory?(self, log) else {
            throw .hostAdapter(
                "this program has no adapter '\(host.adapter.rawValue)'; vrdma-endpointd has, or write 'adapter = none'"
            )
        }
        return adapter
    }
}

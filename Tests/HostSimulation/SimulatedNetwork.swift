import Verbs

/// What simulated devices are connected by. It has no clock: devices work when they are told to.
package final class SimulatedNetwork {
    private struct Port {
        weak var adapter: SimulatedHostAdapter?
    }

    /// A device keeps its network, not the other way round.
    private var ports: [Port] = []

    package init() {}

    var adapters: [SimulatedHostAdapter] { ports.compactMap(\.adapter) }

    func connect(_ adapter: SimulatedHostAdapter) {
        ports.append(Port(adapter: adapter))
    }

    /// The device that is there, is up and has an address.
    func adapter(with address: GID) -> SimulatedHostAdapter? {
        adapters.first { $0.isAvailable && $0.port.isActive && $0.hasAddress(address) }
    }

    /// Lets every device work a little. Returns how much there was to do.
    @discardableResult
    package func step() -> Int {
        adapters.reduce(0) { $0 + $1.step() }
    }
}

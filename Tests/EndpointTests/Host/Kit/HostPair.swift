import CVRDMAABI
import Endpoint
import HostSimulation
import Testing
import Verbs

/// Two applications that reach each other through devices: guests of two endpoints, or of one that does not use the
/// local path.
struct HostPair {
    enum Layout: CaseIterable {
        case twoEndpoints
        case oneEndpoint
    }

    let network = SimulatedNetwork()
    let adapters: [SimulatedHostAdapter]
    let endpoints: [SimulatedEndpoint]
    let a: Application
    let b: Application

    init(
        _ layout: Layout = .twoEndpoints, behaviour: SimulatedBehaviour = .init(), limits: DeviceLimits = .init(),
        capabilities: SimulatedQueuePair.Capabilities = .init(), queueEntries: UInt32 = 256, seed: UInt64 = 1,
        isConnected: Bool = true
    ) throws {
        let addresses = SimulatedEndpoint.addresses
        var adapters: [SimulatedHostAdapter] = []
        var endpoints: [SimulatedEndpoint] = []
        for position in 0..<(layout == .twoEndpoints ? 2 : 1) {
            let own = layout == .twoEndpoints ? [addresses[position]] : addresses
            adapters.append(
                try SimulatedHostAdapter(
                    network: network, addresses: own, seed: seed &+ UInt64(position), behaviour: behaviour))
            endpoints.append(
                SimulatedEndpoint(limits: limits, host: adapters[position], usesLocalPath: layout == .twoEndpoints))
        }
        (self.adapters, self.endpoints) = (adapters, endpoints)
        a = try Application(
            endpoints[0].addGuest(address: addresses[0]), capabilities: capabilities, queueEntries: queueEntries)
        b = try Application(
            endpoints[endpoints.count - 1].addGuest(address: addresses[1]), capabilities: capabilities,
            queueEntries: queueEntries)
        if isConnected { try connect() }
    }

    var adapter: SimulatedHostAdapter { adapters[0] }
    var adapterOfB: SimulatedHostAdapter { adapters[adapters.count - 1] }

    func connect(_ connectionOfA: Connection = Connection(), _ connectionOfB: Connection = Connection()) throws {
        try b.queuePair.connect(b.connection(to: a, connectionOfB))
        try a.queuePair.connect(a.connection(to: b, connectionOfA))
    }

    /// Turns of all until nothing happens any more.
    func settle(sourceLocation: SourceLocation = #_sourceLocation) {
        var quiet = 0
        for _ in 0..<20_000 {
            quiet = endpoints.reduce(0) { $0 + $1.poll() } == 0 ? quiet + 1 : 0
            if quiet == 3 { return }
        }
        Issue.record("the endpoints do not come to rest", sourceLocation: sourceLocation)
    }

    /// Posts on side A, waits until it is quiet, returns A's send completions.
    func run(_ requests: SendRequest...) -> [Completion] {
        a.queuePair.post(requests)
        settle()
        return a.sendQueue.drain()
    }

    /// What must hold between turns, of engines and devices.
    func check(sourceLocation: SourceLocation = #_sourceLocation) {
        for endpoint in endpoints { Invariants.check(endpoint, sourceLocation: sourceLocation) }
        for adapter in adapters { #expect(adapter.violations == [], sourceLocation: sourceLocation) }
    }

    /// Takes both guests away; nothing may be left of them anywhere.
    func end(sourceLocation: SourceLocation = #_sourceLocation) {
        check(sourceLocation: sourceLocation)
        a.guest.remove()
        b.guest.remove()
        settle(sourceLocation: sourceLocation)
        for endpoint in endpoints { endpoint.expectEmpty(sourceLocation: sourceLocation) }
    }
}

extension SimulatedEndpoint {
    /// Records an issue for everything that a device or its adapter still holds when all guests are gone.
    func expectEmpty(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(host?.leftovers ?? [] == [], sourceLocation: sourceLocation)
        #expect(host?.violations ?? [] == [], sourceLocation: sourceLocation)
        #expect(device.leftovers == [], sourceLocation: sourceLocation)
    }
}

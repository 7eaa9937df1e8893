import SharedMemory
import Verbs

/// What the device holds, for people and monitoring: the document behind `vrdma status`.
package struct DeviceStatus: Sendable, Codable {
    package struct Guest: Sendable, Codable {
        package var name: String
        package var address: String
        package var id: UInt32
        /// The process identifier of its guest driver; filled in by whoever knows the connection.
        package var driverPid: Int32?
        package var contexts: [Context]
        package var counters: Counters
    }

    package struct Context: Sendable, Codable {
        package var handle: UInt32
        package var pid: UInt32
        package var process: String
        package var queuePairs: [QueuePair]
        package var protectionDomains: Int
        package var memoryRegions: Int
        package var memoryRegionBytes: UInt64
        package var completionQueues: Int
        package var sharedMemoryRegions: Int
    }

    package struct QueuePair: Sendable, Codable {
        package var number: UInt32
        package var type: String
        package var state: String
        package var peerAddress: String
        package var peerNumber: UInt32
        /// How its requests travel: `local`, the name of the host adapter, or `none` as long as it has no destination.
        package var path: String
        package var sendPending: UInt32
        package var receivePending: UInt32
        package var workRequests: UInt64
        package var bytes: UInt64
    }

    package struct Counters: Sendable, Codable {
        package var workRequests: UInt64
        package var bytes: UInt64
        package var commands: UInt64
        package var commandErrors: UInt64
        package var asyncEvents: UInt64
        package var violations: UInt64
    }

    /// The host adapter and its device.
    package struct Host: Sendable, Codable {
        package var adapter: String
        package var device: String
        package var isAvailable: Bool
        /// As `enum ibv_port_state`.
        package var portState: UInt32
        package var activeMtuBytes: UInt32
        package var addresses: [String]
        package var localPath: Bool
        /// Registrations under way.
        package var pendingRegistrations: Int
    }

    package var host: Host?
    package var guests: [Guest]
}

extension Device {
    /// A snapshot of everything, in the order of guests, contexts and queue pair numbers.
    package func status() -> DeviceStatus {
        DeviceStatus(host: hostStatus, guests: guests.values.sorted { $0.identifier < $1.identifier }.map(status))
    }

    package var hostStatus: DeviceStatus.Host? {
        guard let host else { return nil }
        let port = host.adapter.port
        return DeviceStatus.Host(
            adapter: host.adapter.name, device: host.adapter.attributes.deviceName,
            isAvailable: host.adapter.isAvailable, portState: port.state,
            activeMtuBytes: (1...5).contains(port.activeMTU) ? 128 << port.activeMTU : 0,
            addresses: port.addresses.map(\.description), localPath: host.usesLocalPath,
            pendingRegistrations: host.registrations.count)
    }

    private func pathName(_ path: QueuePair.Path) -> String {
        switch path {
        case .none: "none"
        case .local: "local"
        case .host: host?.adapter.name ?? "none"
        }
    }

    private func status(_ guest: Guest) -> DeviceStatus.Guest {
        let indices = queuePairIndices(ofGuest: guest.identifier)
        let living = indices.reduce(into: (requests: UInt64(0), bytes: UInt64(0))) {
            $0.requests &+= queuePairs[$1].requestCount
            $0.bytes &+= queuePairs[$1].byteCount
        }
        return DeviceStatus.Guest(
            name: guest.name, address: guest.address.description, id: guest.identifier, driverPid: nil,
            contexts: guest.contexts.sorted().compactMap { context(status: $0, guest, indices) },
            counters: DeviceStatus.Counters(
                workRequests: guest.counters.workRequests &+ living.requests,
                bytes: guest.counters.bytes &+ living.bytes, commands: guest.counters.commands,
                commandErrors: guest.counters.commandErrors, asyncEvents: guest.counters.asyncEvents,
                violations: guest.counters.violations))
    }

    private func context(status handle: UInt32, _ guest: Guest, _ indices: [UInt32]) -> DeviceStatus.Context? {
        guard let details = contextDetails[handle] else { return nil }
        let memory = guest.memoryRegions.values.filter { $0.context == handle }
        return DeviceStatus.Context(
            handle: handle, pid: details.processIdentifier, process: details.processName,
            queuePairs: indices.filter { queuePairs[$0].context == handle }.map(status)
                .sorted { $0.number < $1.number },
            protectionDomains: guest.protectionDomains.values.count { $0.context == handle },
            memoryRegions: memory.count, memoryRegionBytes: memory.reduce(0) { $0 &+ $1.lengthBytes },
            completionQueues: completionQueues.liveIndices.count { completionQueues[$0].context == handle },
            sharedMemoryRegions: guest.regions.values.count { $0.context == handle })
    }

    private func status(_ index: UInt32) -> DeviceStatus.QueuePair {
        let queuePair = queuePairs[index]
        let hasPath = !queuePair.destination.isZero
        return DeviceStatus.QueuePair(
            number: queuePair.number.rawValue, type: "RC", state: queuePair.state.name,
            peerAddress: hasPath ? queuePair.destination.description : "",
            peerNumber: queuePair.attributes.destination_qp_number, path: pathName(queuePair.path),
            sendPending: queuePair.send.tail.acquire() &- queuePair.sendHead,
            receivePending: queuePair.receive.entryCount == 0
                ? 0 : queuePair.receive.tail.acquire() &- queuePair.receiveHead,
            workRequests: queuePair.requestCount, bytes: queuePair.byteCount)
    }
}

import MemoryTranslation
import Tables
import Testing
import Verbs

@testable import Endpoint

/// What must hold of a device between two turns, whatever its guests do.
enum Invariants {
    /// Records an issue for each rule that does not hold.
    static func check(_ endpoint: SimulatedEndpoint, sourceLocation: SourceLocation = #_sourceLocation) {
        for broken in broken(in: endpoint.device, now: endpoint.nowNanoseconds) {
            Issue.record("\(broken)", sourceLocation: sourceLocation)
        }
    }

    static func broken(in device: Device, now: UInt64) -> [String] {
        lists(device) + timers(device, now: now) + host(device) + device.guests.values.flatMap { counts($0, device) }
            + device.guests.values.flatMap { numbers($0, device) }
            + device.guests.values.flatMap { guest in guest.contexts.flatMap { ownership($0, guest, device) } }
    }

    /// Each element is listed once, and knows it.
    private static func lists(_ device: Device) -> [String] {
        var problems: [String] = []
        func compare(_ list: IndexList, _ expected: [UInt32], _ name: String) {
            let found = (0..<list.count).map { list[$0] }
            if found.sorted() != expected { problems.append("\(name): \(found) instead of \(expected)") }
        }
        let (pairs, contexts) = (device.queuePairs.liveIndices, device.contexts.liveIndices)
        for guest in device.guests.values {
            let schedule = device.schedules[guest.schedule]
            compare(
                schedule.active,
                pairs.filter { device.queuePairs[$0].guest == guest.identifier && device.queuePairs[$0].isActive },
                "active queue pairs of \(guest.name)")
            compare(
                schedule.hot,
                contexts.filter { device.contexts[$0].guest == guest.identifier && device.contexts[$0].isHot },
                "hot contexts of \(guest.name)")
            if !schedule.isEmpty, !schedule.isRunnable { problems.append("\(guest.name) is forgotten") }
        }
        if device.guests.count != device.schedules.count { problems.append("schedules of guests that are gone") }
        compare(
            device.runnable, device.schedules.liveIndices.filter { device.schedules[$0].isRunnable },
            "runnable schedules")
        compare(device.waiting, pairs.filter { device.queuePairs[$0].isListedWaiting }, "waiting queue pairs")
        if device.turn.hotContextCount != contexts.count(where: { device.contexts[$0].isHot }) {
            problems.append("hot contexts are miscounted")
        }
        for guest in device.guests.values {
            let active = device.schedules[guest.schedule].active
            for position in 0..<active.count where device.queuePairs[active[position]].activePosition != position {
                problems.append("queue pair \(active[position]) believes to stand elsewhere among the active ones")
            }
        }
        for position in 0..<device.waiting.count
        where device.queuePairs[device.waiting[position]].waitingPosition != position {
            problems.append("queue pair \(device.waiting[position]) believes to stand elsewhere among the waiting ones")
        }
        if !device.dirty.isEmpty { problems.append("completion queues wait for their arm words to be looked at") }
        return problems
    }

    /// A deadline that has passed would keep the endpoint from sleeping.
    private static func timers(_ device: Device, now: UInt64) -> [String] {
        var problems: [String] = []
        if let deadline = device.nextDeadlineNanoseconds, deadline <= now { problems.append("a deadline has passed") }
        for index in device.queuePairs.liveIndices where device.queuePairs[index].wait != .none {
            if !device.queuePairs[index].isListedWaiting { problems.append("queue pair \(index) waits for ever") }
            if device.queuePairs[index].state == .error { problems.append("queue pair \(index) waits in ERR") }
        }
        return problems
    }

    /// Counts of uses are those of the objects that there are.
    private static func counts(_ guest: Guest, _ device: Device) -> [String] {
        var regions: [UInt32: Int] = [:]
        var domains: [UInt32: Int] = [:]
        var channels: [UInt32: Int] = [:]
        var queues: [UInt32: UInt32] = [:]
        for context in guest.contexts { regions[device.contextDetails[context]?.region ?? 0, default: 0] += 1 }
        for (domain, extents) in registered(guest, device) {
            domains[domain, default: 0] += 1
            for region in Set(extents.map(\.region)) { regions[region, default: 0] += 1 }
        }
        for index in device.queuePairs.liveIndices where device.queuePairs[index].guest == guest.identifier {
            let queuePair = device.queuePairs[index]
            domains[queuePair.protectionDomain, default: 0] += 1
            regions[queuePair.sendRegion, default: 0] += 1
            regions[queuePair.receiveRegion, default: 0] += 1
            queues[queuePair.sendCompletionQueue, default: 0] += 1
            queues[queuePair.receiveCompletionQueue, default: 0] += 1
        }
        let own = device.completionQueues.liveIndices.filter { device.completionQueues[$0].guest == guest.identifier }
        for queue in own {
            regions[device.completionQueues[queue].region, default: 0] += 1
            let channel = device.completionQueues[queue].channel
            if channel != 0 { channels[channel, default: 0] += 1 }
        }
        var problems: [String] = []
        for (handle, region) in guest.regions where region.useCount != regions[handle] ?? 0 {
            problems.append("region \(handle) counts \(region.useCount) uses of \(regions[handle] ?? 0)")
        }
        for (handle, domain) in guest.protectionDomains where domain.useCount != domains[handle] ?? 0 {
            problems.append("protection domain \(handle) counts \(domain.useCount) uses of \(domains[handle] ?? 0)")
        }
        for (handle, channel) in guest.channels where channel.useCount != channels[handle] ?? 0 {
            problems.append("channel \(handle) counts \(channel.useCount) uses of \(channels[handle] ?? 0)")
        }
        for queue in own where device.completionQueues[queue].queuePairCount != queues[queue] ?? 0 {
            problems.append("completion queue \(queue) counts \(device.completionQueues[queue].queuePairCount) uses")
        }
        for held in regions.keys where held != 0 && guest.regions[held] == nil {
            problems.append("region \(held) is gone and still in use")
        }
        if guest.completionQueueCount != own.count { problems.append("completion queues are miscounted") }
        if guest.mappings.count != guest.memoryRegions.count { problems.append("memory regions are miscounted") }
        if guest.mappedBytes != guest.regions.values.reduce(0, { $0 + UInt64($1.mapping.sizeBytes) }) {
            problems.append("mapped bytes are miscounted")
        }
        return problems
    }

    /// What memory regions hold on to: those that there are, and those that the host adapter works on.
    private static func registered(_ guest: Guest, _ device: Device) -> [(domain: UInt32, extents: [Extent])] {
        var result = guest.memoryRegions.values.map { ($0.protectionDomain, $0.extents) }
        for pending in device.host?.registrations.values.filter({ $0.guest == guest.identifier && $0.key == nil }) ?? []
        where device.contexts.generation(pending.context) == pending.contextGeneration {
            result.append((pending.request.pd, pending.extents))
        }
        for pending in device.host?.deregistrations.values.filter({ $0.guest == guest.identifier }) ?? []
        where device.contexts.generation(pending.memory.context) == pending.contextGeneration {
            result.append((pending.memory.protectionDomain, pending.memory.extents))
        }
        return result
    }

    /// What the engine knows of the host adapter's objects.
    private static func host(_ device: Device) -> [String] {
        guard let host = device.host else { return [] }
        var problems: [String] = []
        let pairs = device.queuePairs.liveIndices
        for index in pairs {
            let pair = device.queuePairs[index]
            let number = IdentifierTables.Virtual(guest: pair.guest, number: pair.number.rawValue)
            if pair.hasHostObject != (host.numbers.real(of: number) != nil) {
                problems.append("queue pair \(index) has a number without an object, or the other way round")
            }
            guard pair.path == .host else { continue }
            if !pair.hasHostObject { problems.append("queue pair \(index) has a path without an object") }
            let isOrdered =
                pair.sendForwarded &- pair.sendHead <= pair.send.entryCount
                && pair.receiveForwarded &- pair.receiveHead <= pair.receive.entryCount
            if !isOrdered { problems.append("queue pair \(index) handed on less than was completed") }
        }
        if host.numbers.count != pairs.count(where: { device.queuePairs[$0].hasHostObject }) {
            problems.append("\(host.numbers.count) numbers of queue pairs are known")
        }
        let changing = pairs.filter { device.queuePairs[$0].isChanging }
        let begun = host.modifications.values.filter {
            device.queuePairs.generation($0.queuePair) == $0.generation
        }
        if changing.sorted() != begun.map(\.queuePair).sorted() { problems.append("changes are miscounted") }
        let registered = device.guests.values.flatMap { guest in
            guest.memoryRegions.filter { $0.value.host != nil }.map {
                IdentifierTables.Virtual(guest: guest.identifier, number: $0.key)
            }
        }
        let remote = registered.count { host.remoteKeys.real(of: $0) != nil }
        if host.remoteKeys.count != remote { problems.append("\(host.remoteKeys.count) remote keys are known") }
        for guest in device.guests.values {
            let pending = host.registrations.values.filter { $0.guest == guest.identifier && $0.key == nil }
            if guest.pendingRegistrationCount != pending.count { problems.append("registrations are miscounted") }
            let extents =
                guest.memoryRegions.values.reduce(0) { $0 + $1.extents.count }
                + pending.reduce(0) { $0 + $1.extents.count }
                + host.deregistrations.values.filter { $0.guest == guest.identifier }
                .reduce(0) { $0 + $1.memory.extents.count }
            if guest.extentCount != extents { problems.append("extents are miscounted") }
        }
        return problems
    }

    /// A context knows what it owns.
    private static func ownership(_ context: UInt32, _ guest: Guest, _ device: Device) -> [String] {
        guard let details = device.contextDetails[context] else { return ["context \(context) has no details"] }
        func keys<Value>(_ objects: [UInt32: Value], _ owner: (Value) -> UInt32) -> Set<UInt32> {
            Set(objects.filter { owner($0.value) == context }.keys)
        }
        let queuePairs = device.queuePairs.liveIndices.filter { device.queuePairs[$0].context == context }
        let queues = device.completionQueues.liveIndices.filter { device.completionQueues[$0].context == context }
        let isRight =
            details.queuePairs == Set(queuePairs) && details.completionQueues == Set(queues)
            && details.memoryRegions == keys(guest.memoryRegions, \.context)
            && details.protectionDomains == keys(guest.protectionDomains, \.context)
            && details.channels == keys(guest.channels, \.context) && details.regions == keys(guest.regions, \.context)
        return isRight ? [] : ["context \(context) does not know what it owns"]
    }

    /// Numbers and doorbell slots lead to their queue pairs.
    private static func numbers(_ guest: Guest, _ device: Device) -> [String] {
        var problems: [String] = []
        let own = device.queuePairs.liveIndices.filter { device.queuePairs[$0].guest == guest.identifier }
        if own.count != guest.queuePairNumbers.count { problems.append("queue pair numbers are miscounted") }
        for index in own {
            let queuePair = device.queuePairs[index]
            if guest.queuePairNumbers[queuePair.number] != index {
                problems.append("queue pair number \(queuePair.number) leads elsewhere")
            }
            if device.contexts[queuePair.context].slots[Int(queuePair.slot)] != index {
                problems.append("doorbell slot \(queuePair.slot) leads elsewhere")
            }
        }
        return problems
    }
}

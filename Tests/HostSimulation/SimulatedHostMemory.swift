import Endpoint
import TestKit
import Verbs

/// A protection domain of the simulated device.
struct SimulatedDomain {
    var memoryCount = 0
    var queuePairCount = 0
    /// Destroyed, but for the memory that is still in it.
    var isEnding = false
}

struct PendingSimulatedRegistration {
    var registration: HostRegistration
    var token: UInt64
    var stepsLeft: Int
}

struct PendingSimulatedDeregistration {
    var handle: HostHandle
    var token: UInt64
    var stepsLeft: Int
}

/// Memory that the simulated device may reach: the pieces that it was registered with.
struct SimulatedHostMemory {
    var registration: HostRegistration
    var localKey: UInt32
    var remoteKey: UInt32

    /// Whether a range lies in it.
    func contains(_ address: UInt64, _ count: UInt64) -> Bool {
        address >= registration.start && address &- registration.start <= registration.lengthBytes
            && count <= registration.lengthBytes &- (address &- registration.start)
    }

    /// Calls with the place of each part of a range, in order.
    func forEachPlace(
        _ address: UInt64, _ count: UInt64, _ body: (UnsafeMutableRawPointer, Int) -> Void
    ) {
        var start = registration.start
        var (position, rest) = (address, count)
        for piece in registration.pieces {
            let end = start &+ piece.lengthBytes
            if position >= start, position < end, rest > 0 {
                let taken = min(rest, end &- position)
                body(piece.mapping.base + Int(piece.offset &+ (position &- start)), Int(taken))
                position &+= taken
                rest &-= taken
            }
            start = end
        }
    }

    func read(_ address: UInt64, _ count: UInt64) -> [UInt8] {
        var result: [UInt8] = []
        forEachPlace(address, count) { place, length in
            result.append(contentsOf: UnsafeRawBufferPointer(start: place, count: length))
        }
        return result
    }

    func write(_ bytes: ArraySlice<UInt8>, at address: UInt64) {
        var rest = bytes
        forEachPlace(address, UInt64(bytes.count)) { place, length in
            rest.prefix(length).withUnsafeBytes {
                UnsafeMutableRawBufferPointer(start: place, count: length).copyMemory(from: $0)
            }
            rest = rest.dropFirst(length)
        }
    }
}

extension SimulatedHostAdapter {
    package func createProtectionDomain() throws(Errno) -> HostHandle {
        try checkAvailable()
        try behaviour.failNextDomain.throwOnce()
        guard domains.count < attributes.protectionDomains else { throw .outOfMemory }
        let handle = newHandle()
        domains[handle.rawValue] = SimulatedDomain()
        return handle
    }

    package func destroyProtectionDomain(_ domain: HostHandle) {
        guard !isStale(domain) else { return }
        guard let found = domains[domain.rawValue], !found.isEnding else {
            return violate("a protection domain that is not there is destroyed")
        }
        if found.queuePairCount > 0 { violate("a protection domain with queue pairs is destroyed") }
        domains[domain.rawValue]?.isEnding = true
        endDomain(domain)
    }

    private func endDomain(_ domain: HostHandle) {
        guard let found = domains[domain.rawValue], found.isEnding, found.memoryCount == 0 else { return }
        domains[domain.rawValue] = nil
    }

    package func beginRegistration(_ registration: HostRegistration, token: UInt64) {
        let length = registration.pieces.reduce(0) { $0 + $1.lengthBytes }
        if length != registration.lengthBytes { violate("pieces of \(length) bytes are registered as another length") }
        for piece in registration.pieces
        where !piece.mapping.contains(offset: piece.offset, count: piece.lengthBytes) {
            violate("a piece beyond its mapping is registered")
        }
        guard isAvailable, !isStale(registration.domain) else {
            return note(.registrationFailed(token: token, .noSuchDevice))
        }
        guard domains[registration.domain.rawValue]?.isEnding == false else {
            violate("memory is registered in a protection domain that is not there")
            return note(.registrationFailed(token: token, .invalidArgument))
        }
        domains[registration.domain.rawValue]?.memoryCount += 1
        registrations.append(
            .init(
                registration: registration, token: token,
                stepsLeft: Int.random(in: behaviour.memorySteps, using: &generator)))
    }

    package func beginDeregistration(_ memory: HostHandle, token: UInt64) {
        guard isAvailable, !isStale(memory) else { return note(.deregistered(token: token)) }
        guard memories[memory.rawValue] != nil, !deregistrations.contains(where: { $0.handle == memory }) else {
            return violate("memory that is not there is deregistered")
        }
        deregistrations.append(
            .init(
                handle: memory, token: token, stepsLeft: Int.random(in: behaviour.memorySteps, using: &generator)))
    }

    /// Work of the threads that register and deregister.
    func stepMemory() -> Int {
        guard !registrations.isEmpty || !deregistrations.isEmpty else { return 0 }
        let work = registrations.count + deregistrations.count
        for position in registrations.indices { registrations[position].stepsLeft -= 1 }
        for position in deregistrations.indices { deregistrations[position].stepsLeft -= 1 }
        for pending in registrations where pending.stepsLeft < 0 { finish(pending) }
        registrations.removeAll { $0.stepsLeft < 0 }
        for pending in deregistrations where pending.stepsLeft < 0 { finish(pending) }
        deregistrations.removeAll { $0.stepsLeft < 0 }
        return work
    }

    private func finish(_ pending: PendingSimulatedRegistration) {
        let domain = pending.registration.domain
        do throws(Errno) {
            try behaviour.failNextRegistration.throwOnce()
            guard memories.count < attributes.memoryRegions else { throw .outOfMemory }
        } catch {
            domains[domain.rawValue]?.memoryCount -= 1
            endDomain(domain)
            return note(.registrationFailed(token: pending.token, error))
        }
        let handle = newHandle()
        let memory = SimulatedHostMemory(
            registration: pending.registration, localKey: 0, remoteKey: 0)
        let (localKey, remoteKey) = newKeys(pending.registration.access)
        memories[handle.rawValue] = memory
        memories[handle.rawValue]?.localKey = localKey
        memories[handle.rawValue]?.remoteKey = remoteKey
        memoryByLocalKey[localKey] = handle.rawValue
        if remoteKey != 0 { memoryByRemoteKey[remoteKey] = handle.rawValue }
        note(.registered(token: pending.token, HostMemory(handle: handle, localKey: localKey, remoteKey: remoteKey)))
    }

    private func newKeys(_ access: AccessFlags) -> (local: UInt32, remote: UInt32) {
        let isRemote = !access.isDisjoint(with: [.remoteWrite, .remoteRead, .remoteAtomic])
        func newKey() -> UInt32 {
            while memoryByRemoteKey.keys.contains(where: { $0 >> 8 == nextKeyIndex })
                || memoryByLocalKey.keys.contains(where: { $0 >> 8 == nextKeyIndex })
            {
                nextKeyIndex = nextKeyIndex % 0x7f_ffff + 1
            }
            defer { nextKeyIndex = nextKeyIndex % 0x7f_ffff + 1 }
            return nextKeyIndex << 8 | UInt32.random(in: 0...255, using: &generator)
        }
        guard behaviour.hasSeparateKeys else {
            let key = newKey()
            return (key, key)
        }
        defer { nextLocalKey &+= 0x101 }
        return (nextLocalKey, isRemote ? newKey() : 0)
    }

    private func finish(_ pending: PendingSimulatedDeregistration) {
        if let memory = memories.removeValue(forKey: pending.handle.rawValue) {
            memoryByLocalKey[memory.localKey] = nil
            memoryByRemoteKey[memory.remoteKey] = nil
            domains[memory.registration.domain.rawValue]?.memoryCount -= 1
            endDomain(memory.registration.domain)
        }
        note(.deregistered(token: pending.token))
    }

    func newHandle() -> HostHandle {
        defer { nextHandle += 1 }
        return HostHandle(rawValue: nextHandle)
    }
}

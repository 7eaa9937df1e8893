import CVRDMAABI
import MemoryTranslation
import SharedMemory
import Verbs

/// Memory regions that the host adapter's device knows too. Registering takes as long as the device needs to hold every
/// page, so commands are answered when it is done, and nobody else waits for it.
extension Device {
    /// The device's answer. A guest or context that went away meanwhile leaves nothing behind.
    ///
    /// - Parameter hasBegun: the device was asked, and did not fall away before that.
    func finishRegistration(_ token: UInt64, _ result: Result<HostMemory, Errno>, hasBegun: Bool = true) {
        guard let host, let pending = host.registrations.removeValue(forKey: token) else { return }
        let guest = guests[pending.guest]
        if let guest, hasBegun {
            guest.hasBegunRegistration = false
            beginWaitingRegistration(of: guest, host)
        }
        if pending.key == nil { guest?.pendingRegistrationCount -= 1 }
        guard let guest, contexts.generation(pending.context) == pending.contextGeneration else {
            if case .success(let memory) = result { host.adapter.beginDeregistration(memory.handle, token: 0) }
            // What else it held went with the context.
            if pending.key == nil { guest?.uncount(pending.extents) }
            answerAbandoned(pending.command, guest: pending.guest)
            return
        }
        if let key = pending.key {
            rejoin(key, result, guest: guest)
            return
        }
        let outcome: Result<MemoryKey, Errno>
        switch result {
        case .success(let memory):
            outcome = Result { () throws(Errno) in try enter(pending, memory, guest: guest) }
            if case .failure = outcome { host.adapter.beginDeregistration(memory.handle, token: 0) }
            if case .failure(.alreadyExists) = outcome, tryOnceMore(token, pending, guest: guest) { return }
        case .failure(let error):
            outcome = .failure(error)
            if host.adapter.isAvailable {
                outputs.append(
                    .registrationRefused(guest: guest.name, sizeBytes: pending.request.length, error))
            }
        }
        if case .failure = outcome { releaseRegistered(pending.extents, domain: pending.request.pd, guest: guest) }
        guard let command = pending.command else { return }
        switch outcome {
        case .success(let key):
            outputs.append(
                .reply(
                    guest: guest.identifier,
                    reply(command, vrdma_reg_mr_reply(lkey: key.rawValue, rkey: key.rawValue))))
        case .failure(let failure):
            let error = failure == .alreadyExists ? Errno.outOfMemory : failure
            guest.counters.commandErrors &+= 1
            outputs.append(.reply(guest: guest.identifier, command.reply(status: UInt32(error.rawValue))))
        }
    }

    private static var keysTried: Int { 16 }

    /// A region from before the device came back has the key that the device chose: peers could not tell them apart. Devices
    /// give keys out in turn, so the next one is another. False when that was tried often enough.
    private func tryOnceMore(_ token: UInt64, _ pending: PendingRegistration, guest: Guest) -> Bool {
        guard let host, pending.conflictCount < Self.keysTried else { return false }
        var pending = pending
        pending.conflictCount += 1
        host.registrations[token] = pending
        guest.pendingRegistrationCount += 1
        guest.waitingRegistrations.append(token)
        beginWaitingRegistration(of: guest, host)
        return true
    }

    /// Puts memory that the device registered into the guest's table: under the device's own key, if it is free.
    private func enter(
        _ pending: PendingRegistration, _ memory: HostMemory, guest: Guest
    ) throws(Errno) -> MemoryKey {
        // The device may have been lost right after its answer.
        guard let host, host.adapter.isAvailable else { throw .noSuchDevice }
        let isRemote = memory.remoteKey != 0
        let wanted = MemoryKey(rawValue: isRemote ? memory.remoteKey : memory.localKey)
        let key: MemoryKey
        do throws(Errno) {
            key = try register(pending, wanted: wanted, hostKey: memory.localKey, guest: guest)
        } catch .alreadyExists where !isRemote {
            // No peer uses it: any key will do.
            key = try register(pending, wanted: nil, hostKey: memory.localKey, guest: guest)
        }
        if isRemote {
            host.remoteKeys.join(.init(guest: guest.identifier, number: key.rawValue), memory.remoteKey)
        }
        record(
            pending.request, key: key, extents: pending.extents, guest: guest, context: pending.context,
            host: memory.handle)
        return key
    }

    private func register(
        _ pending: PendingRegistration, wanted: MemoryKey?, hostKey: UInt32, guest: Guest
    ) throws(Errno) -> MemoryKey {
        try guest.mappings.register(
            protectionDomain: pending.request.pd, context: pending.context,
            access: AccessFlags(rawValue: pending.request.access), start: pending.request.start,
            lengthBytes: pending.request.length, extents: pending.extents, wanted: wanted, hostKey: hostKey)
    }

    /// A region keeps the key that its guest knows when the device comes back with another.
    private func rejoin(_ key: MemoryKey, _ result: Result<HostMemory, Errno>, guest: Guest) {
        guard let host else { return }
        switch result {
        case .success(let memory):
            guard guest.memoryRegions[key.rawValue] != nil, guest.memoryRegions[key.rawValue]?.host == nil else {
                host.adapter.beginDeregistration(memory.handle, token: 0)
                return
            }
            guest.memoryRegions[key.rawValue]?.host = memory.handle
            guest.mappings.setHostKey(memory.localKey, of: key)
            if memory.remoteKey != 0 {
                host.remoteKeys.join(.init(guest: guest.identifier, number: key.rawValue), memory.remoteKey)
            }
        case .failure(let error):
            // With the device gone again, the next try comes with its return.
            guard host.adapter.isAvailable else { return }
            outputs.append(.hostObjectLost(guest: guest.name, reason: "a memory region: \(error)"))
        }
    }

    /// The answer to a command whose context was closed before it was done: a guest driver counts on one for each.
    private func answerAbandoned(_ command: vrdma_message?, guest identifier: UInt32) {
        guard let command, let guest = guests[identifier] else { return }
        guest.counters.commandErrors &+= 1
        outputs.append(
            .reply(guest: identifier, command.reply(status: UInt32(Errno.invalidArgument.rawValue))))
    }

    /// Takes memory away from the device without an answer to anybody.
    func removeHostMemory(_ memory: RegisteredMemory, key: UInt32, guest: UInt32) {
        guard let host, let handle = memory.host else { return }
        host.remoteKeys.remove(.init(guest: guest, number: key))
        host.adapter.beginDeregistration(handle, token: 0)
    }

    /// Begins to take memory away from the device for a command. False when the device does not have it.
    func beginHostDeregistration(_ memory: RegisteredMemory, key: UInt32, guest: Guest, _ command: vrdma_message)
        -> Bool
    {
        guard let host, let handle = memory.host else { return false }
        host.remoteKeys.remove(.init(guest: guest.identifier, number: key))
        let token = host.newToken()
        host.deregistrations[token] = PendingDeregistration(
            command: command, guest: guest.identifier, contextGeneration: contexts.generation(memory.context),
            memory: memory)
        host.adapter.beginDeregistration(handle, token: token)
        return true
    }

    func finishDeregistration(_ token: UInt64) {
        guard let pending = host?.deregistrations.removeValue(forKey: token), let guest = guests[pending.guest] else {
            return
        }
        guard contexts.generation(pending.memory.context) == pending.contextGeneration else {
            guest.uncount(pending.memory.extents)
            answerAbandoned(pending.command, guest: pending.guest)
            return
        }
        releaseRegistered(pending.memory.extents, domain: pending.memory.protectionDomain, guest: guest)
        outputs.append(.reply(guest: guest.identifier, pending.command.reply()))
    }
}

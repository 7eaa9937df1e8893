import CVRDMAABI
import MemoryTranslation
import Verbs

/// What happens on the host adapter's device besides completions.
extension Device {
    private static var eventsPerLook: Int { 1024 }

    /// Takes the adapter's events; to be called when its descriptor is readable. Returns how many there were.
    package func serveHostEvents() -> Int {
        guard let host else { return 0 }
        for count in 0..<Self.eventsPerLook {
            guard let event = host.adapter.nextEvent() else { return count }
            answer(event, host)
        }
        return Self.eventsPerLook
    }

    private func answer(_ event: HostEvent, _ host: HostState) {
        switch event {
        case .registered(let token, let memory): finishRegistration(token, .success(memory))
        case .registrationFailed(let token, let error): finishRegistration(token, .failure(error))
        case .deregistered(let token): finishDeregistration(token)
        case .modified(let token): finishModification(token, nil)
        case .modificationFailed(let token, let error): finishModification(token, error)
        case .queuePair(let type, let index): pass(type, toQueuePair: index)
        case .completionQueueError(let queue): failCompletionQueue(queue)
        case .solicited(let queue): passSolicitation(queue, host)
        case .port(let type):
            watchPort(host)
            raiseForAll(type)
        case .lost: forgetHostObjects(host)
        case .available: makeHostObjects(host)
        }
    }

    private func pass(_ type: AsyncEventType, toQueuePair index: UInt32) {
        guard queuePairs.isLive(index), queuePairs[index].hasHostObject else { return }
        switch type {
        case .queuePairFatal, .queuePairRequestError, .queuePairAccessError:
            if queuePairs[index].state != .error { failWithHost(index) }
        case .communicationEstablished:
            queuePairs[index].hasCommunicationEstablished = true
        case .sendQueueDrained:
            queuePairs[index].isDraining = false
        default: break
        }
        raise(type, queuePair: index)
    }

    private func failCompletionQueue(_ queue: UInt32) {
        guard completionQueues.isLive(queue), completionQueues[queue].hasHostObject else { return }
        overrun(queue)
    }

    /// The completions that the event is about are given to the guest before the event.
    private func passSolicitation(_ queue: UInt32, _ host: HostState) {
        takeAllHostCompletions(host)
        guard completionQueues.isLive(queue) else { return }
        completionQueues[queue].sawSolicited = true
        guard !completionQueues[queue].isDirty else { return }
        completionQueues[queue].isDirty = true
        dirty.append(queue)
    }

    private func raiseForAll(_ type: AsyncEventType) {
        for context in contextDetails.keys { raise(type, context: context, element: 1, slot: 0) }
    }

    /// The device went away. What it had of guests' requests ends as flushed; guests keep their objects.
    private func forgetHostObjects(_ host: HostState) {
        host.numbers.removeAll()
        host.remoteKeys.removeAll()
        for guest in guests.values {
            for handle in guest.protectionDomains.keys { guest.protectionDomains[handle]?.host = nil }
            for (key, memory) in guest.memoryRegions where memory.host != nil {
                guest.memoryRegions[key]?.host = nil
                guest.mappings.setHostKey(0, of: MemoryKey(rawValue: key))
            }
            for index in queuePairIndices(ofGuest: guest.identifier) { forgetHostObject(ofQueuePair: index) }
        }
        for queue in completionQueues.liveIndices { completionQueues[queue].hasHostObject = false }
        outputs.append(.hostLost)
        raiseForAll(.portError)
    }

    private func forgetHostObject(ofQueuePair index: UInt32) {
        queuePairs[index].hasHostObject = false
        guard queuePairs[index].path == .host else { return }
        queuePairs[index].path = .none
        // One that was about to be connected stays as it was.
        guard queuePairs[index].state != .reset, queuePairs[index].state != .initialized else { return }
        let wasInError = queuePairs[index].state == .error
        enterError(index)
        if !wasInError { raise(.queuePairFatal, queuePair: index) }
    }

    /// The device is back, and knows nothing.
    private func makeHostObjects(_ host: HostState) {
        outputs.append(.hostAvailable)
        for queue in completionQueues.liveIndices where !completionQueues[queue].hasHostObject {
            do throws(Errno) {
                try createHostCompletionQueue(queue)
            } catch {
                let name = guests[completionQueues[queue].guest]?.name ?? ""
                outputs.append(.hostObjectLost(guest: name, reason: "a completion queue: \(error)"))
            }
        }
        for guest in guests.values { makeHostMemory(of: guest) }
        if host.adapter.port.isActive { raiseForAll(.portActive) }
    }

    private func makeHostMemory(of guest: Guest) {
        for (handle, domain) in guest.protectionDomains where domain.host == nil {
            do throws(Errno) {
                guest.protectionDomains[handle]?.host = try createHostProtectionDomain()
            } catch {
                outputs.append(.hostObjectLost(guest: guest.name, reason: "a protection domain: \(error)"))
            }
        }
        for (key, memory) in guest.memoryRegions where memory.host == nil {
            guard guest.protectionDomains[memory.protectionDomain]?.host != nil else { continue }
            beginHostRegistration(
                memory.request, extents: memory.extents, guest: guest, context: memory.context,
                command: nil, key: MemoryKey(rawValue: key))
        }
    }
}

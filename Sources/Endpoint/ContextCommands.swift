import CVRDMAABI
import LinuxIO
import SharedMemory
import Tables
import Verbs

/// Contexts and their shared memory.
extension Device {
    func openContext(
        _ command: vrdma_message, guest: Guest, descriptors: [FileDescriptor]
    ) throws(Errno) -> vrdma_message {
        let request = try payload(command, as: vrdma_open_context_command.self)
        guard descriptors.count == 3, EventDescriptor.isEventDescriptor(descriptors[1]),
            PacketSocket.isPacketSocket(descriptors[2])
        else { throw .invalidArgument }
        guard guest.contexts.count < guest.limits.contextsPerGuest, guest.regions.count < guest.limits.regionsPerGuest,
            turn.regionCount < limits.totalRegions
        else { throw .outOfMemory }
        let mapping = try map(descriptors[0], guest: guest)
        guard let doorbells = DoorbellTree(mapping) else { throw .invalidArgument }
        guard doorbells.isCompatible else { throw .protocolNotSupported }
        guard
            let context = contexts.insert(
                Context(guest: guest.identifier, schedule: guest.schedule, doorbells: doorbells, slots: .empty))
        else { throw .outOfMemory }
        let region = guest.newHandle { guest.regions[$0] != nil }
        guest.regions[region] = Region(context: context, mapping: mapping, useCount: 1)
        guest.mappedBytes &+= UInt64(mapping.sizeBytes)
        turn.regionCount &+= 1
        guest.contexts.insert(context)
        contextDetails[context] = ContextDetails(
            region: region, asyncSocket: descriptors[2], kick: descriptors[1],
            processIdentifier: request.process_id, processName: FixedText.read(request.process_name))
        contextDetails[context]?.regions.insert(region)
        doorbells.kickWanted.storeRelaxed(1)
        return reply(command, vrdma_open_context_reply(context: context, context_region: region))
    }

    /// Closes a context with all that it owns, queues first, memory last.
    func closeContext(_ context: UInt32, of guest: Guest) {
        guard guest.contexts.remove(context) != nil, let details = contextDetails[context] else { return }
        for index in details.queuePairs { removeQueuePair(index, of: guest, isAbandoned: true) }
        for queue in details.completionQueues { removeCompletionQueue(queue, of: guest, isAbandoned: true) }
        for key in details.memoryRegions {
            try? guest.mappings.deregister(MemoryKey(rawValue: key), context: context)
            guard let memory = guest.memoryRegions.removeValue(forKey: key) else { continue }
            guest.uncount(memory.extents)
            removeHostMemory(memory, key: key, guest: guest.identifier)
        }
        for handle in details.channels { guest.channels[handle] = nil }
        for handle in details.protectionDomains {
            removeHostProtectionDomain(guest.protectionDomains.removeValue(forKey: handle))
        }
        for handle in details.regions { removeRegion(handle, of: guest) }
        if contexts[context].isHot {
            schedules[guest.schedule].hot.remove(context)
            turn.hotContextCount &-= 1
        }
        contexts[context].slots.deallocate()
        contexts.remove(context)
        contextDetails[context] = nil
    }

    func attachRegion(
        _ command: vrdma_message, guest: Guest, descriptors: [FileDescriptor]
    ) throws(Errno) -> vrdma_message {
        guard descriptors.count == 1 else { throw .invalidArgument }
        guard guest.regions.count < guest.limits.regionsPerGuest, turn.regionCount < limits.totalRegions else {
            throw .outOfMemory
        }
        let mapping = try map(descriptors[0], guest: guest)
        let handle = guest.newHandle { guest.regions[$0] != nil }
        guest.regions[handle] = Region(context: command.context, mapping: mapping)
        guest.mappedBytes &+= UInt64(mapping.sizeBytes)
        turn.regionCount &+= 1
        contextDetails[command.context]?.regions.insert(handle)
        return reply(
            command,
            vrdma_attach_region_reply(region: handle, reserved: 0, size_bytes: UInt64(mapping.sizeBytes)))
    }

    func detachRegion(_ command: vrdma_message, guest: Guest) throws(Errno) -> vrdma_message {
        let request = try payload(command, as: vrdma_handle_command.self)
        guard let region = guest.regions[request.handle], region.context == command.context else {
            throw .invalidArgument
        }
        guard region.useCount == 0 else { throw .busy }
        contextDetails[command.context]?.regions.remove(request.handle)
        removeRegion(request.handle, of: guest)
        return command.reply()
    }

    private func removeRegion(_ handle: UInt32, of guest: Guest) {
        guard let region = guest.regions.removeValue(forKey: handle) else { return }
        guest.mappedBytes &-= UInt64(region.mapping.sizeBytes)
        turn.regionCount &-= 1
        outputs.append(.releaseMemory(region.mapping))
    }

    private func map(_ file: FileDescriptor, guest: Guest) throws(Errno) -> Mapping {
        let sizeBytes = UInt64(try MemoryFile.sealedSizeBytes(file))
        let left = guest.limits.mappedBytesPerGuest &- min(guest.mappedBytes, guest.limits.mappedBytesPerGuest)
        guard sizeBytes <= left else { throw .outOfMemory }
        return try Mapping(file)
    }

    /// A region of this context. Throws `EINVAL` for one of another context or guest.
    func region(_ handle: UInt32, context: UInt32, guest: Guest) throws(Errno) -> Region {
        guard let region = guest.regions[handle], region.context == context else { throw .invalidArgument }
        return region
    }

    func retainRegion(_ handle: UInt32, of guest: Guest) {
        guest.regions[handle]?.useCount += 1
    }

    func releaseRegion(_ handle: UInt32, of guest: Guest) {
        guest.regions[handle]?.useCount -= 1
    }
}

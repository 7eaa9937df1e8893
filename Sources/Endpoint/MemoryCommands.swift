import CVRDMAABI
import MemoryTranslation
import SharedMemory
import Verbs

/// Protection domains and memory regions.
extension Device {
    func allocateProtectionDomain(_ command: vrdma_message, guest: Guest) throws(Errno) -> vrdma_message {
        guard guest.protectionDomains.count < guest.limits.protectionDomainsPerGuest else { throw .outOfMemory }
        let host = try createHostProtectionDomain()
        let handle = guest.newHandle { guest.protectionDomains[$0] != nil }
        guest.protectionDomains[handle] = ProtectionDomain(context: command.context, host: host)
        contextDetails[command.context]?.protectionDomains.insert(handle)
        return reply(command, vrdma_handle_reply(handle: handle, flags: 0))
    }

    func deallocateProtectionDomain(_ command: vrdma_message, guest: Guest) throws(Errno) -> vrdma_message {
        let request = try payload(command, as: vrdma_handle_command.self)
        let domain = try protectionDomain(request.handle, context: command.context, guest: guest)
        guard domain.useCount == 0 else { throw .busy }
        removeHostProtectionDomain(guest.protectionDomains.removeValue(forKey: request.handle))
        contextDetails[command.context]?.protectionDomains.remove(request.handle)
        return command.reply()
    }

    /// Registers memory. Nil when the host adapter's device has to register it too, and the reply comes when it has.
    func registerMemory(_ command: vrdma_message, guest: Guest) throws(Errno) -> vrdma_message? {
        let request = try payload(command, as: vrdma_reg_mr_command.self)
        let domain = try protectionDomain(request.pd, context: command.context, guest: guest)
        let access = AccessFlags(rawValue: request.access)
        let needed = access.subtracting(.optionalMask)
        guard access.isConsistent, needed.isSubset(of: .supported) else { throw .invalidArgument }
        guard request.extent_count > 0, request.extent_count <= guest.limits.extentsPerRegion else {
            throw .invalidArgument
        }
        guard guest.extentCount + Int(request.extent_count) <= guest.limits.extentsPerGuest else { throw .outOfMemory }
        var extents: [Extent] = []
        for position in 0..<Int(request.extent_count) {
            let described = try extent(position, of: request, context: command.context, guest: guest)
            let region = try region(described.region, context: command.context, guest: guest)
            guard region.mapping.contains(offset: described.offset, count: described.length) else {
                throw .invalidArgument
            }
            extents.append(
                Extent(
                    region: described.region, offset: described.offset, lengthBytes: described.length,
                    hostAddress: UInt(bitPattern: region.mapping.base) &+ UInt(described.offset)))
        }
        if domain.host != nil {
            extents = try MappingTable.covering(extents, start: request.start, lengthBytes: request.length)
            guard guest.mappings.count + guest.pendingRegistrationCount < guest.limits.memoryRegionsPerGuest else {
                throw .outOfMemory
            }
            guard guest.stitchedPieceCount + Extent.stitchedCount(extents) <= guest.limits.stitchedPiecesPerGuest else {
                throw .outOfMemory
            }
            guest.pendingRegistrationCount += 1
            retainRegistered(extents, domain: request.pd, guest: guest)
            beginHostRegistration(
                request, extents: extents, guest: guest, context: command.context, command: command)
            return nil
        }
        let key = try guest.mappings.register(
            protectionDomain: request.pd, context: command.context, access: access, start: request.start,
            lengthBytes: request.length, extents: extents)
        retainRegistered(extents, domain: request.pd, guest: guest)
        record(request, key: key, extents: extents, guest: guest, context: command.context, host: nil)
        return reply(command, vrdma_reg_mr_reply(lkey: key.rawValue, rkey: key.rawValue))
    }

    /// Holds what a memory region needs as long as it lives.
    private func retainRegistered(_ extents: [Extent], domain: UInt32, guest: Guest) {
        for handle in Set(extents.map(\.region)) { retainRegion(handle, of: guest) }
        guest.protectionDomains[domain]?.useCount += 1
        guest.count(extents)
    }

    /// Lets go of what a memory region needed.
    func releaseRegistered(_ extents: [Extent], domain: UInt32, guest: Guest) {
        for handle in Set(extents.map(\.region)) { releaseRegion(handle, of: guest) }
        guest.protectionDomains[domain]?.useCount -= 1
        guest.uncount(extents)
    }

    /// Notes a memory region that is in the guest's table.
    func record(
        _ request: vrdma_reg_mr_command, key: MemoryKey, extents: [Extent], guest: Guest, context: UInt32,
        host: HostHandle?
    ) {
        guest.memoryRegions[key.rawValue] = RegisteredMemory(
            context: context, request: request, extents: extents, host: host)
        contextDetails[context]?.memoryRegions.insert(key.rawValue)
    }

    /// Deregisters memory. Nil when the host adapter's device has to do so too, and the reply comes when it has.
    func deregisterMemory(_ command: vrdma_message, guest: Guest) throws(Errno) -> vrdma_message? {
        let request = try payload(command, as: vrdma_handle_command.self)
        guard let memory = guest.memoryRegions[request.handle] else { throw .invalidArgument }
        try guest.mappings.deregister(MemoryKey(rawValue: request.handle), context: command.context)
        guest.memoryRegions[request.handle] = nil
        contextDetails[command.context]?.memoryRegions.remove(request.handle)
        if beginHostDeregistration(memory, key: request.handle, guest: guest, command) { return nil }
        releaseRegistered(memory.extents, domain: memory.protectionDomain, guest: guest)
        return command.reply()
    }

    /// A protection domain of this context. Throws `EINVAL` for one of another context or guest.
    func protectionDomain(_ handle: UInt32, context: UInt32, guest: Guest) throws(Errno) -> ProtectionDomain {
        guard let domain = guest.protectionDomains[handle], domain.context == context else { throw .invalidArgument }
        return domain
    }

    /// One of a command's extents: from the command, or, when there are many, from shared memory, read once.
    private func extent(
        _ position: Int, of request: vrdma_reg_mr_command, context: UInt32, guest: Guest
    ) throws(Errno) -> vrdma_extent {
        let stride = MemoryLayout<vrdma_extent>.size
        if request.extent_count <= VRDMA_INLINE_EXTENTS {
            return withUnsafeBytes(of: request.extents) {
                $0.loadUnaligned(fromByteOffset: position * stride, as: vrdma_extent.self)
            }
        }
        let table = request.extents.0
        let region = try region(table.region, context: context, guest: guest)
        let bytes = UInt64(request.extent_count) * UInt64(stride)
        guard table.length >= bytes, region.mapping.contains(offset: table.offset, count: bytes, alignment: 8)
        else {
            throw .invalidArgument
        }
        return region.mapping.snapshot(at: Int(table.offset) + position * stride, as: vrdma_extent.self)
    }
}

import CVRDMAABI
import LinuxIO
import SharedMemory
import Verbs

extension ProviderContext {
    /// Registers memory of this process, wherever it comes from (ibv_reg_mr_iova(3)). Private memory is *adopted*: moved
    /// into shared memory, at the same address and with the same contents.
    ///
    /// `virtualAddress` is what requests use for `address`; `access` holds the bits of `enum ibv_access_flags`.
    /// Throws `EINVAL` for a length of 0, one above the device's limit or a range that wraps; `EFAULT` for memory that is
    /// not mapped or lacks a right; `EOPNOTSUPP` for memory that cannot be adopted (docs/memory.md); `ENOMEM` at a limit.
    package func registerMemory(
        protectionDomain: UInt32, address: UInt, lengthBytes: UInt64, virtualAddress: UInt64, access: UInt32
    ) throws(Errno) -> ProviderMemoryRegion {
        try checkLength(lengthBytes)
        if core.isFatal { throw .inputOutput }
        let writing: AccessFlags = [.localWrite, .remoteWrite, .remoteAtomic, .memoryWindowBind]
        let needsWrite = !AccessFlags(rawValue: access).isDisjoint(with: writing)
        let pin = try AdoptionEngine.shared.pin(address: address, lengthBytes: lengthBytes, needsWrite: needsWrite)
        return try register(
            pin, protectionDomain: protectionDomain, address: address, lengthBytes: lengthBytes,
            virtualAddress: virtualAddress, access: access)
    }

    /// Registers a part of a shared allocation. Without a `virtualAddress`, requests use the address itself.
    ///
    /// Throws `EINVAL` for a part that is empty or does not lie in the allocation, `ENOMEM` at a limit.
    package func registerShared(
        protectionDomain: UInt32, _ allocation: SharedAllocation, offset: Int = 0, lengthBytes: Int,
        virtualAddress: UInt64? = nil, access: UInt32
    ) throws(Errno) -> ProviderMemoryRegion {
        guard offset >= 0, lengthBytes > 0, offset <= allocation.sizeBytes,
            lengthBytes <= allocation.sizeBytes - offset
        else { throw .invalidArgument }
        try checkLength(UInt64(lengthBytes))
        let extent = FileExtent(
            file: allocation.file, offset: UInt64(allocation.offset + offset), lengthBytes: UInt64(lengthBytes))
        let pin = ForkGuard.mutex.withLock { AdoptionEngine.shared.pin([extent], owner: allocation) }
        let address = UInt(bitPattern: allocation.address + offset)
        return try register(
            pin, protectionDomain: protectionDomain, address: address, lengthBytes: UInt64(lengthBytes),
            virtualAddress: virtualAddress ?? UInt64(address), access: access)
    }

    /// Takes the registration back; the memory stays as it is, and is cheap to register again.
    package func deregisterMemory(_ region: ProviderMemoryRegion) throws(Errno) {
        try callToDestroy(VRDMA_OP_DEREG_MR, handle: region.lkey)
        AdoptionEngine.shared.unpin(region.pin)
        mutex.withLock { detachRetiredFiles() }
    }

    /// Page-aligned zeroed memory for `registerShared`. Throws `EINVAL` for no bytes, `ENOMEM` when there is none.
    package func allocateShared(sizeBytes: Int) throws(Errno) -> SharedAllocation {
        try SharedAllocationPool.shared.allocate(sizeBytes: sizeBytes)
    }

    private func checkLength(_ lengthBytes: UInt64) throws(Errno) {
        guard lengthBytes > 0, lengthBytes <= deviceAttributes.max_mr_size_bytes else { throw .invalidArgument }
    }

    /// Registers; at a limit of the endpoint gives back what the application has freed meanwhile, and tries once more.
    private func register(
        _ pin: MemoryPin, protectionDomain: UInt32, address: UInt, lengthBytes: UInt64, virtualAddress: UInt64,
        access: UInt32
    ) throws(Errno) -> ProviderMemoryRegion {
        do throws(Errno) {
            return try registerOnce(
                pin, protectionDomain: protectionDomain, address: address, lengthBytes: lengthBytes,
                virtualAddress: virtualAddress, access: access)
        } catch {
            guard error == .outOfMemory else { throw error }
            AdoptionEngine.shared.giveBack()
            return try registerOnce(
                pin, protectionDomain: protectionDomain, address: address, lengthBytes: lengthBytes,
                virtualAddress: virtualAddress, access: access)
        }
    }

    private func registerOnce(
        _ pin: MemoryPin, protectionDomain: UInt32, address: UInt, lengthBytes: UInt64, virtualAddress: UInt64,
        access: UInt32
    ) throws(Errno) -> ProviderMemoryRegion {
        var command = vrdma_reg_mr_command()
        command.start = virtualAddress
        command.length = lengthBytes
        command.pd = protectionDomain
        command.access = access
        let table = try prepare(pin.extents, in: &command)
        defer { if let table { mutex.withLock { releaseRing(table) } } }
        // Without the lock, since it may take seconds: threads that take events need it. What the command names stays:
        // the files are pinned.
        let keys = try call(VRDMA_OP_REG_MR, command, reply: vrdma_reg_mr_reply.self)
        return ProviderMemoryRegion(
            keys, address: address, lengthBytes: lengthBytes, protectionDomain: protectionDomain, pin: pin)
    }

    private func prepare(
        _ extents: [FileExtent], in command: inout vrdma_reg_mr_command
    ) throws(Errno) -> RingMemory.Piece? {
        mutex.lock()
        defer { mutex.unlock() }
        detachRetiredFiles()
        return try describe(extents, in: &command)
    }

    /// Writes the extents into the command, or into a table in shared memory, which is the result.
    private func describe(
        _ extents: [FileExtent], in command: inout vrdma_reg_mr_command
    ) throws(Errno) -> RingMemory.Piece? {
        var named: [vrdma_extent] = []
        for extent in extents {
            named.append(
                vrdma_extent(
                    region: try attachedRegion(extent.file), reserved: 0, offset: extent.offset,
                    length: extent.lengthBytes))
        }
        command.extent_count = UInt32(truncatingIfNeeded: named.count)
        if named.count <= Int(VRDMA_INLINE_EXTENTS) {
            withUnsafeMutableBytes(of: &command.extents) { place in
                named.withUnsafeBytes { place.copyMemory(from: $0) }
            }
            return nil
        }
        let table = try allocateRing(named.count * MemoryLayout<vrdma_extent>.stride)
        named.withUnsafeBytes {
            UnsafeMutableRawBufferPointer(start: table.address, count: $0.count).copyMemory(from: $0)
        }
        command.extents.0 = vrdma_extent(
            region: table.region, reserved: 0, offset: table.offset, length: UInt64(table.sizeBytes))
        return table
    }

    /// The region by which the endpoint knows a file, given to it now if need be.
    private func attachedRegion(_ file: SharedMemoryFile) throws(Errno) -> UInt32 {
        if let known = regionsOfFiles[file.identity] { return known.region }
        let region = try attachRegion(file.file)
        regionsOfFiles[file.identity] = (file, region)
        return region
    }

    /// Lets the endpoint forget files in which nothing lies any more.
    private func detachRetiredFiles() {
        let retired = ForkGuard.mutex.withLock { () -> [SharedMemoryFile] in
            guard retirementsSeen != AdoptionEngine.shared.retirements else { return [] }
            let gone = regionsOfFiles.values.filter { $0.file.isRetired }
            let free = gone.filter { $0.file.pinCount == 0 }
            // What a memory region still uses is looked at again.
            if free.count == gone.count { retirementsSeen = AdoptionEngine.shared.retirements }
            return free.map(\.file)
        }
        for file in retired {
            guard let known = regionsOfFiles.removeValue(forKey: file.identity) else { continue }
            detachRegion(known.region)
        }
    }
}

import CVRDMAABI
import Glibc
import Testing
import Verbs

@testable import Provider

/// Memory regions as the endpoint is told of them.
@Suite struct RegistrationTests {
    private let access = AccessFlags([.localWrite, .remoteWrite, .remoteRead]).rawValue

    /// The bytes that the endpoint finds behind a key.
    private func bytes(_ driver: FakeGuestDriver, _ key: UInt32) -> [UInt8] {
        var result: [UInt8] = []
        for extent in driver.registrations[key]?.extents ?? [] {
            guard let mapping = driver.regions[extent.region] else { continue }
            result += UnsafeRawBufferPointer(start: mapping.base + Int(extent.offset), count: Int(extent.length))
        }
        return result
    }

    @Test func theEndpointFindsTheBytes() throws {
        let fixture = try ProviderFixture()
        let memory = PrivateMemory(pages: 10)
        memory.fill(salt: 8)
        let region = try fixture.context.registerMemory(
            protectionDomain: 9, address: memory.address + 100, lengthBytes: 30_000, virtualAddress: 0x1000_0064,
            access: access)
        let command = try #require(fixture.driver.registrations[region.lkey]).command
        #expect(command.start == 0x1000_0064 && command.length == 30_000 && command.pd == 9)
        #expect(command.access == access)
        #expect(bytes(fixture.driver, region.lkey) == (100..<30_100).map { PrivateMemory.pattern($0, 8) })
        try fixture.context.deregisterMemory(region)
        #expect(fixture.driver.registrations[region.lkey] == nil)
    }

    @Test func manyExtentsStandInATable() throws {
        let fixture = try ProviderFixture()
        let memory = PrivateMemory(pages: 64)
        memory.fill(salt: 6)
        for page in stride(from: 0, to: 64, by: 3) { memory.protect(page: page, PROT_READ) }
        let region = try fixture.context.registerMemory(
            protectionDomain: 9, address: memory.address, lengthBytes: UInt64(memory.byteCount), virtualAddress: 0,
            access: AccessFlags.remoteRead.rawValue)
        let registration = try #require(fixture.driver.registrations[region.lkey])
        #expect(registration.extents.count > Int(VRDMA_INLINE_EXTENTS))
        #expect(bytes(fixture.driver, region.lkey) == (0..<memory.byteCount).map { PrivateMemory.pattern($0, 6) })
    }

    @Test func readOnlyMemoryNeedsReadOnlyAccess() throws {
        let fixture = try ProviderFixture()
        let memory = PrivateMemory(pages: 2, protection: PROT_READ)
        for flags in [AccessFlags.localWrite, [.localWrite, .remoteWrite], [.localWrite, .remoteAtomic]] {
            #expect(throws: Errno.badAddress) {
                try fixture.context.registerMemory(
                    protectionDomain: 9, address: memory.address, lengthBytes: 8, virtualAddress: 0,
                    access: flags.rawValue)
            }
        }
        for flags in [AccessFlags(), .remoteRead] {
            let region = try fixture.context.registerMemory(
                protectionDomain: 9, address: memory.address, lengthBytes: 8, virtualAddress: 0,
                access: flags.rawValue)
            try fixture.context.deregisterMemory(region)
        }
    }

    @Test func sharedAllocationsAreRegisteredAsTheyAre() throws {
        let fixture = try ProviderFixture()
        let context = fixture.context
        for size in [1, 5000, 100_000, 40 << 20] {
            let buffer = try context.allocateShared(sizeBytes: size)
            #expect(UInt(bitPattern: buffer.address) % 4096 == 0)
            memset(buffer.address, 0x3c, size)
            let region = try context.registerShared(
                protectionDomain: 9, buffer, lengthBytes: size, access: access)
            let registration = try #require(fixture.driver.registrations[region.lkey])
            #expect(registration.extents.count == 1)
            #expect(registration.command.start == UInt64(UInt(bitPattern: buffer.address)))
            #expect(bytes(fixture.driver, region.lkey).allSatisfy { $0 == 0x3c })
            // The same memory by its address.
            let again = try context.registerMemory(
                protectionDomain: 9, address: UInt(bitPattern: buffer.address), lengthBytes: UInt64(size),
                virtualAddress: 0, access: access)
            let extents = try #require(fixture.driver.registrations[again.lkey]).extents
            #expect(extents.map(\.region) == registration.extents.map(\.region))
            #expect(extents.map(\.offset) == registration.extents.map(\.offset))
            try context.deregisterMemory(again)
            try context.deregisterMemory(region)
        }
        let buffer = try context.allocateShared(sizeBytes: 5000)
        for (offset, length) in [(-1, 1), (0, 0), (0, 5001), (5000, 1), (1, Int.max), (Int.max, 1)] {
            #expect(throws: Errno.invalidArgument) {
                try context.registerShared(
                    protectionDomain: 9, buffer, offset: offset, lengthBytes: length, access: access)
            }
        }
    }

    @Test func sharedAllocationsReadAsZeroAndLiveAsLongAsTheirRegions() throws {
        let fixture = try ProviderFixture()
        for _ in 0..<20 {
            let buffer = try fixture.context.allocateShared(sizeBytes: 20_000)
            #expect((0..<20_000).allSatisfy { buffer.address.load(fromByteOffset: $0, as: UInt8.self) == 0 })
            memset(buffer.address, 0xff, 20_000)
        }
        var buffer: SharedAllocation? = try fixture.context.allocateShared(sizeBytes: 9 << 20)
        let address = buffer?.address
        let region = try fixture.context.registerShared(
            protectionDomain: 9, try #require(buffer), lengthBytes: 9 << 20, access: access)
        let extent = try #require(fixture.driver.registrations[region.lkey]?.extents.first)
        buffer = nil
        address?.storeBytes(of: 5, as: UInt8.self)
        #expect(bytes(fixture.driver, region.lkey)[0] == 5)
        try fixture.context.deregisterMemory(region)
        #expect(!fixture.driver.detached.contains(extent.region))
    }

    @Test func aFileOfUnmappedMemoryIsDetached() throws {
        let fixture = try ProviderFixture()
        let context = fixture.context
        func register(_ address: UInt, _ byteCount: Int) throws -> ProviderMemoryRegion {
            try context.registerMemory(
                protectionDomain: 9, address: address, lengthBytes: UInt64(byteCount), virtualAddress: 0,
                access: access)
        }
        let largeBytes = 17 << 20
        let large = try #require(mmap(nil, largeBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        let region = try register(UInt(bitPattern: large), largeBytes)
        let attached = try #require(fixture.driver.registrations[region.lkey]?.extents.first).region
        munmap(large, largeBytes)
        // The endpoint is another process, whose mappings do not count.
        fixture.driver.regions[attached] = nil
        ForkGuard.mutex.withLock { AdoptionEngine.shared.sweep() }
        let small = PrivateMemory(pages: 1)
        try context.deregisterMemory(try register(small.address, 4096))
        // Unmapped, but still registered.
        #expect(!fixture.driver.detached.contains(attached))
        try context.deregisterMemory(region)
        ForkGuard.mutex.withLock { AdoptionEngine.shared.sweep() }
        try context.deregisterMemory(try register(small.address, 4096))
        #expect(fixture.driver.detached.contains(attached))
    }

    /// What the application has freed may be in the endpoint's way: it is given back, and the registration tried again.
    @Test func aLimitIsTriedOnceMore() throws {
        let fixture = try ProviderFixture()
        let memory = PrivateMemory(pages: 4)
        fixture.driver.failures[VRDMA_OP_REG_MR.rawValue] = .outOfMemory
        let region = try fixture.context.registerMemory(
            protectionDomain: 9, address: memory.address, lengthBytes: 8192, virtualAddress: 0, access: access)
        #expect(fixture.driver.failures[VRDMA_OP_REG_MR.rawValue] == nil)
        try fixture.context.deregisterMemory(region)
    }

    @Test func aRegistrationThatFailsPinsNothing() throws {
        let fixture = try ProviderFixture()
        let memory = PrivateMemory(pages: 4)
        fixture.driver.failures[VRDMA_OP_REG_MR.rawValue] = .busy
        #expect(throws: Errno.busy) {
            try fixture.context.registerMemory(
                protectionDomain: 9, address: memory.address, lengthBytes: 8192, virtualAddress: 0, access: access)
        }
        #expect(throws: Errno.invalidArgument) {
            try fixture.context.registerMemory(
                protectionDomain: 9, address: memory.address, lengthBytes: 0, virtualAddress: 0, access: access)
        }
        #expect(throws: Errno.invalidArgument) {
            try fixture.context.registerMemory(
                protectionDomain: 9, address: memory.address, lengthBytes: 1 << 41, virtualAddress: 0, access: access)
        }
        let region = try fixture.context.registerMemory(
            protectionDomain: 9, address: memory.address, lengthBytes: 8192, virtualAddress: 0, access: access)
        try fixture.context.deregisterMemory(region)
    }

    /// The endpoint may take seconds to pin a region: threads that take events do not wait for that.
    @Test func objectsAreFoundWhileARegistrationIsUnderWay() throws {
        let fixture = try ProviderFixture()
        let memory = PrivateMemory(pages: 64)
        for page in stride(from: 0, to: 64, by: 3) { memory.protect(page: page, PROT_READ) }
        var isFound = false
        fixture.driver.onRegistration = {
            let queue = fixture.context.completionQueue(slot: fixture.completionQueue.pointee.slot)
            let number = fixture.queuePair.pointee.number
            isFound = queue != nil && fixture.context.queuePair(slot: 0, number: number) != nil
        }
        _ = try fixture.context.registerMemory(
            protectionDomain: 9, address: memory.address, lengthBytes: UInt64(memory.byteCount), virtualAddress: 0,
            access: AccessFlags.remoteRead.rawValue)
        fixture.driver.onRegistration = {}
        #expect(isFound)
    }
}

import CLinux
import Glibc
import LinuxIO
import SharedMemory
import Testing
import Verbs

/// Memory that cannot change its size, and nothing else, is mapped.
struct MappingTests {
    @Test func sharesBytes() throws {
        let one = try Mapping(name: "vrdma-test", sizeBytes: 10_000)
        let other = try Mapping(try one.file.duplicate())
        #expect((one.sizeBytes, other.sizeBytes) == (10_000, 10_000))
        #expect(one.base != other.base)
        (one.base + 9_999).storeBytes(of: 77, as: UInt8.self)
        #expect((other.base + 9_999).load(as: UInt8.self) == 77)
    }

    @Test func contains() throws {
        let mapping = try Mapping(name: "vrdma-test", sizeBytes: 4096)
        for (offset, count) in [(UInt64(0), UInt64(4096)), (0, 0), (4096, 0), (4095, 1), (100, 3996)] {
            #expect(mapping.contains(offset: offset, count: count))
        }
        for (offset, count) in [
            (UInt64(0), UInt64(4097)), (4096, 1), (4097, 0), (1, 4096), (.max, 1), (1, .max), (.max, .max),
            (1 << 63, 1 << 63),
        ] {
            #expect(!mapping.contains(offset: offset, count: count))
        }
        #expect(mapping.contains(offset: 64, count: 1, alignment: 64))
        #expect(!mapping.contains(offset: 32, count: 1, alignment: 64))
    }

    @Test func limit() throws {
        let file = try MemoryFile.create(name: "vrdma-test", sizeBytes: 4097)
        #expect(throws: Errno.invalidArgument) { try Mapping(file, limitBytes: 4096) }
        #expect(try Mapping(file, limitBytes: 4097).sizeBytes == 4097)
    }

    /// The size cannot be changed afterwards, which is what makes the mapping safe.
    @Test func sealed() throws {
        let mapping = try Mapping(name: "vrdma-test", sizeBytes: 8192)
        #expect(ftruncate(mapping.file.rawValue, 4096) == -1)
        #expect(ftruncate(mapping.file.rawValue, 16_384) == -1)
        #expect(try MemoryFile.sealedSizeBytes(mapping.file) == 8192)
    }

    @Test func otherFiles() throws {
        let unsealed = FileDescriptor(taking: clinux_memfd_create("vrdma-test"))
        #expect(ftruncate(unsealed.rawValue, 4096) == 0)
        let empty = FileDescriptor(taking: clinux_memfd_create("vrdma-test"))
        #expect(clinux_memfd_seal_size(empty.rawValue) == 0)
        let file = FileDescriptor(taking: open("/etc/passwd", O_RDONLY))
        let device = FileDescriptor(taking: open("/dev/zero", O_RDWR))
        for wrong in [unsealed, empty, file, device, try EventDescriptor.create(), try PacketSocket.pair().0] {
            #expect(throws: Errno.self) { try Mapping(wrong) }
        }
    }

    @Test func snapshot() throws {
        let mapping = try Mapping(name: "vrdma-test", sizeBytes: 4096)
        for index in 0..<4 { (mapping.base + 8 + 8 * index).storeBytes(of: UInt64(index), as: UInt64.self) }
        let copy = mapping.snapshot(at: 8, as: (UInt64, UInt64, UInt64, UInt64).self)
        #expect([copy.0, copy.1, copy.2, copy.3] == [0, 1, 2, 3])
    }

    /// Pages that are given back read as zeros.
    @Test func discard() throws {
        let mapping = try Mapping(name: "vrdma-test", sizeBytes: 3 * 4096)
        memset(mapping.base, 1, 3 * 4096)
        try MemoryFile.discard(mapping.file, offset: 4096, sizeBytes: 4096)
        #expect((0..<3).map { (mapping.base + $0 * 4096 + 5).load(as: UInt8.self) } == [1, 0, 1])
    }
}

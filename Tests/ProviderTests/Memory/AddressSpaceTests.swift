import CLinux
import Glibc
import Testing

@testable import Provider

@Suite struct AddressSpaceTests {
    @Test func mappingsAreCutToTheRange() throws {
        let memory = PrivateMemory(pages: 8)
        memory.protect(page: 2, count: 2, PROT_READ)
        memory.unmap(page: 6)
        let start = UInt64(memory.address)
        let found = try AddressSpace.mappings(from: start + 4096, to: start + 8 * 4096)
        #expect(found.map { ($0.start - start) / 4096 } == [1, 2, 4, 7])
        #expect(found.map { ($0.end - start) / 4096 } == [2, 4, 6, 8])
        #expect(found[1].protection == PROT_READ)
        #expect(found.allSatisfy { !$0.is_shared && $0.inode == 0 })
    }

    @Test func theKernelsAnswerAndItsTextAgree() throws {
        let memory = PrivateMemory(pages: 4)
        memory.protect(page: 1, PROT_NONE)
        let shared = PrivateMemory(pages: 2, flags: MAP_SHARED | MAP_ANONYMOUS)
        for range in [memory, shared] {
            let start = UInt64(range.address)
            let end = start + UInt64(range.byteCount)
            let both = [clinux_mappings, clinux_mappings_by_parsing].map { function in
                [clinux_mapping](unsafeUninitializedCapacity: 16) { buffer, count in
                    count = max(0, function(start, end, false, buffer.baseAddress, 16))
                }
            }
            #expect(both[0].map(Self.describe) == both[1].map(Self.describe))
            #expect(!both[0].isEmpty)
        }
    }

    @Test func heapAndStackAreKnown() throws {
        var onStack = 0
        let stack = withUnsafePointer(to: &onStack) { UInt64(UInt(bitPattern: $0)) }
        let all = try AddressSpace.mappings(from: 0, to: 1 << 47)
        #expect(all.contains { $0.kind == CLINUX_MAPPING_STACK.rawValue })
        #expect(all.contains { $0.kind == CLINUX_MAPPING_SPECIAL.rawValue })
        #expect(all.contains { $0.start <= stack && stack < $0.end })
        #expect(zip(all, all.dropFirst()).allSatisfy { $0.end <= $1.start })
    }

    private static func describe(_ mapping: clinux_mapping) -> String {
        let fields: [UInt64] = [mapping.start, mapping.end, mapping.offset, mapping.device, mapping.inode]
        return "\(fields) \(mapping.protection) \(mapping.kind) \(mapping.is_shared)"
    }
}

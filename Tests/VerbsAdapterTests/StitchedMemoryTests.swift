import SharedMemory
import Testing
import Verbs

@testable import VerbsAdapter

struct StitchedMemoryTests {
    private let step = { (file: Int, offset: UInt64, position: UInt64) in
        StitchPlan.Step(file: file, offset: offset, position: position, lengthBytes: 4096)
    }

    @Test func thePagesOfFilesFollowEachOther() throws {
        let files = try (0..<2).map { _ in try Mapping(name: "piece", sizeBytes: 8192) }
        let memory = try StitchedMemory(
            [step(1, 4096, 0), step(0, 0, 4096), step(1, 0, 8192)], reservedBytes: 12288, files: files)
        memory.base.storeBytes(of: 1, toByteOffset: 4095, as: UInt8.self)
        memory.base.storeBytes(of: 2, toByteOffset: 4096, as: UInt8.self)
        files[1].base.storeBytes(of: 3, toByteOffset: 5, as: UInt8.self)
        #expect(files[1].base.load(fromByteOffset: 8191, as: UInt8.self) == 1)
        #expect(files[0].base.load(fromByteOffset: 0, as: UInt8.self) == 2)
        #expect(memory.base.load(fromByteOffset: 8192 + 5, as: UInt8.self) == 3)
    }

    /// What was mapped until then is given back.
    @Test func aStepThatCannotBeMappedIsRefused() throws {
        let files = [try Mapping(name: "piece", sizeBytes: 8192)]
        #expect(throws: Errno.invalidArgument) {
            try StitchedMemory([step(0, 0, 0), step(0, 1, 4096)], reservedBytes: 8192, files: files)
        }
        #expect(throws: Errno.invalidArgument) {
            try StitchedMemory([step(1, 0, 0)], reservedBytes: 4096, files: files)
        }
        #expect(throws: Errno.outOfMemory) {
            try StitchedMemory([], reservedBytes: 1 << 62, files: files)
        }
    }
}

import Glibc
import LinuxIO
import Testing
import Verbs

struct FileDescriptorTests {
    @Test func closesWithTheLastReference() throws {
        let number: Int32
        do {
            let file = try EventDescriptor.create()
            number = file.rawValue
            let copy = file
            #expect(fcntl(number, F_GETFD) >= 0)
            _ = copy
        }
        // Another test may have taken the number meanwhile, but not as this eventfd: nothing is asserted of it.
        #expect(number >= 0)
    }

    @Test func duplicates() throws {
        let file = try MemoryFile.create(name: "vrdma-test", sizeBytes: 10)
        let copy = try file.duplicate()
        #expect(copy.rawValue != file.rawValue)
        #expect(copy.rawValue >= 3)
        #expect(try MemoryFile.sealedSizeBytes(copy) == 10)
        #expect(throws: Errno(rawValue: EBADF)) { try FileDescriptor(taking: -1).duplicate() }
    }

    /// An interrupted call is repeated, another failure is thrown.
    @Test func check() throws {
        var calls = 0
        let result = try LinuxIO.check { () -> Int32 in
            calls += 1
            errno = EINTR
            return calls < 3 ? -1 : 7
        }
        #expect((result, calls) == (7, 3))
        #expect(throws: Errno.accessDenied) {
            try LinuxIO.check { () -> Int in
                errno = EACCES
                return -1
            }
        }
    }

    @Test func clockGoesForward() {
        let first = MonotonicClock.nowNanoseconds
        #expect(MonotonicClock.nowNanoseconds >= first)
    }
}

import Glibc

/// Memory of the test's own, mapped as the test says, and unmapped with the last reference.
final class PrivateMemory: @unchecked Sendable {
    static let pageBytes = 4096
    let base: UnsafeMutableRawPointer
    let pageCount: Int

    var address: UInt { UInt(bitPattern: base) }
    var byteCount: Int { pageCount * Self.pageBytes }

    init(pages: Int, protection: Int32 = PROT_READ | PROT_WRITE, flags: Int32 = MAP_PRIVATE | MAP_ANONYMOUS) {
        pageCount = pages
        guard let base = mmap(nil, pages * Self.pageBytes, protection, flags, -1, 0), base != MAP_FAILED else {
            preconditionFailure("mmap: \(errno)")
        }
        self.base = base
    }

    deinit {
        munmap(base, byteCount)
    }

    /// Unmaps one page, or changes its rights.
    func unmap(page: Int) {
        munmap(base + page * Self.pageBytes, Self.pageBytes)
    }

    func protect(page: Int, count: Int = 1, _ protection: Int32) {
        mprotect(base + page * Self.pageBytes, count * Self.pageBytes, protection)
    }

    /// Maps pages anew at the same address, as malloc does with memory that was freed.
    func mapAgain(page: Int, count: Int) {
        mmap(
            base + page * Self.pageBytes, count * Self.pageBytes, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)
    }

    /// Fills all with bytes that depend on the place and `salt`.
    func fill(salt: UInt8) {
        for index in 0..<byteCount {
            base.storeBytes(of: Self.pattern(index, salt), toByteOffset: index, as: UInt8.self)
        }
    }

    func isFilled(salt: UInt8, bytes: Range<Int>? = nil) -> Bool {
        (bytes ?? 0..<byteCount).allSatisfy {
            base.load(fromByteOffset: $0, as: UInt8.self) == Self.pattern($0, salt)
        }
    }

    static func pattern(_ index: Int, _ salt: UInt8) -> UInt8 {
        UInt8(truncatingIfNeeded: index &* 7 &+ index >> 12) ^ salt
    }
}

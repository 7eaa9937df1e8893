import CLinux

/// The one place where the endpoint touches guests' bytes. Addresses and lengths come from mapping tables, which have
/// checked that they lie inside of mapped regions.
enum DataCopy {
    /// One long copy is slower than several shorter ones: compare `memcpy_bandwidth --size 1048576` of `Benchmarks/micro`
    /// with and without `--piece 262144`.
    private static var pieceBytes: UInt64 { 256 << 10 }

    /// Copies so that whoever sees the last byte sees all of them, as an RDMA WRITE must.
    @inline(__always)
    static func copy(to destination: UInt, from source: UInt, count: UInt64) {
        if count <= pieceBytes {
            copyPiece(to: destination, from: source, count: count)
        } else {
            copyPieces(to: destination, from: source, count: count)
        }
    }

    private static func copyPieces(to destination: UInt, from source: UInt, count: UInt64) {
        // Forwards only: where a queue pair writes over its own source, what the copy reads is undefined, as on a wire.
        var position: UInt64 = 0
        while position < count {
            let taken = min(pieceBytes, count &- position)
            let offset = UInt(truncatingIfNeeded: position)
            copyPiece(to: destination &+ offset, from: source &+ offset, count: taken)
            position &+= taken
        }
    }

    @inline(__always)
    private static func copyPiece(to destination: UInt, from source: UInt, count: UInt64) {
        clinux_copy_last_byte_last(
            UnsafeMutableRawPointer(bitPattern: destination), UnsafeRawPointer(bitPattern: source),
            Int(truncatingIfNeeded: count))
    }

    /// Adds to 8 bytes in the guest's memory and returns what was there.
    static func fetchAndAdd(_ address: UInt, _ value: UInt64) -> UInt64 {
        clinux_fetch_add64(UnsafeMutableRawPointer(bitPattern: address), value)
    }

    /// Exchanges 8 bytes in the guest's memory if they equal `expected`, and returns what was there.
    static func compareAndSwap(_ address: UInt, expected: UInt64, desired: UInt64) -> UInt64 {
        clinux_compare_exchange64(UnsafeMutableRawPointer(bitPattern: address), expected, desired)
    }

    /// Stores 8 bytes that may lie unaligned.
    static func store(_ value: UInt64, to address: UInt) {
        withUnsafeBytes(of: value) { bytes in
            copy(to: address, from: UInt(bitPattern: bytes.baseAddress), count: 8)
        }
    }
}

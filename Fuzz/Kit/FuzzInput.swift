/// The bytes of one input, taken from the front. Beyond the end everything is zero.
package struct FuzzInput {
    private var rest: UnsafeRawBufferPointer.SubSequence

    package init(_ bytes: UnsafeRawBufferPointer) {
        rest = bytes[...]
    }

    package var isEmpty: Bool { rest.isEmpty }
    package var count: Int { rest.count }

    /// The next bytes, as many as there are up to `count`.
    package mutating func take(_ count: Int) -> [UInt8] {
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    /// All that is left.
    package mutating func takeRest() -> [UInt8] { take(rest.count) }

    /// The next bytes as a value of the ABI.
    package mutating func take<Value: BitwiseCopyable>(as type: Value.Type) -> Value {
        // Zeroes behind the bytes make the value complete.
        var bytes = take(MemoryLayout<Value>.size)
        bytes += [UInt8](repeating: 0, count: MemoryLayout<Value>.size - bytes.count)
        return bytes.withUnsafeBytes { $0.loadUnaligned(as: Value.self) }
    }

    package mutating func byte() -> UInt8 { take(as: UInt8.self) }
    package mutating func word() -> UInt32 { take(as: UInt32.self) }

    /// Writes the next bytes over memory, at most `count` of them.
    package mutating func write(to place: UnsafeMutableRawPointer, count: Int) {
        let bytes = rest.prefix(count)
        UnsafeMutableRawBufferPointer(start: place, count: bytes.count)
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes))
        rest = rest.dropFirst(count)
    }
}

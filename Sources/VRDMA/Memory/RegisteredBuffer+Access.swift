internal import Synchronization

/// Reading and writing the memory. Spans and pointers must not leave their closure: the buffer is kept only so long.
extension RegisteredBuffer {
    /// Gives the memory as a pointer.
    public func withUnsafeMutableBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeMutableRawBufferPointer(start: allocation.address, count: byteCount))
    }

    /// Gives the memory as a pointer for reading.
    public func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: allocation.address, count: byteCount))
    }

    /// Gives the bytes for reading.
    public func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: allocation.address, count: byteCount).bytes)
    }

    /// Gives the bytes for writing.
    public func withMutableBytes<Result: ~Copyable, Failure: Error>(
        _ body: (inout MutableRawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var bytes = UnsafeMutableRawBufferPointer(start: allocation.address, count: byteCount).mutableBytes
        return try body(&bytes)
    }

    /// Gives the memory for reading as values of a type, as many whole ones as fit.
    public func withSpan<Element: BitwiseCopyable, Result: ~Copyable, Failure: Error>(
        of type: Element.Type, _ body: (Span<Element>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeBufferPointer(typed(as: type)).span)
    }

    /// Gives the memory for writing as values of a type, as many whole ones as fit.
    public func withMutableSpan<Element: BitwiseCopyable, Result: ~Copyable, Failure: Error>(
        of type: Element.Type, _ body: (inout MutableSpan<Element>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var elements = typed(as: type).mutableSpan
        return try body(&elements)
    }

    /// Reads a value.
    ///
    /// - Precondition: it lies in the buffer.
    public func load<Value: BitwiseCopyable>(fromByteOffset offset: Int = 0, as type: Value.Type) -> Value {
        UnsafeRawPointer(place(offset, MemoryLayout<Value>.size)).loadUnaligned(as: type)
    }

    /// Writes a value.
    ///
    /// - Precondition: it lies in the buffer.
    public func store<Value: BitwiseCopyable>(_ value: Value, toByteOffset offset: Int = 0) {
        place(offset, MemoryLayout<Value>.size).storeBytes(of: value, as: Value.self)
    }

    /// Looks at a byte that the device may be writing: whoever sees the last byte of an RDMA WRITE this way sees all
    /// of its bytes.
    ///
    /// - Precondition: it lies in the buffer.
    public func loadAcquiring(byteAt offset: Int) -> UInt8 {
        place(offset, 1).assumingMemoryBound(to: Atomic<UInt8>.self).pointee.load(ordering: .acquiring)
    }

    /// Looks at a word that the device may be writing or applying an atomic operation to.
    ///
    /// - Precondition: it lies in the buffer, at a multiple of 8.
    public func loadAcquiring(wordAt offset: Int) -> UInt64 {
        precondition(offset % 8 == 0, "a word lies at a multiple of 8 bytes")
        return place(offset, 8).assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .acquiring)
    }

    private func place(_ offset: Int, _ size: Int) -> UnsafeMutableRawPointer {
        precondition(offset >= 0 && size <= byteCount && offset <= byteCount - size, "outside of the buffer")
        return allocation.address + offset
    }

    private func typed<Element: BitwiseCopyable>(as type: Element.Type) -> UnsafeMutableBufferPointer<Element> {
        UnsafeMutableBufferPointer(
            start: allocation.address.assumingMemoryBound(to: Element.self),
            count: byteCount / MemoryLayout<Element>.stride)
    }
}

import Verbs

/// The answer of a mapping table: where the bytes are, or why they may not be touched.
@frozen
@usableFromInline
package struct Translation: BitwiseCopyable {
    /// Why a request may not use a memory region (IBA 10.6.4, 9.7.4.1.5).
    @frozen
    @usableFromInline
    package enum Fault: UInt8, BitwiseCopyable {
        case none
        /// No region has this key, or it belongs to another protection domain.
        case key
        /// The range is not wholly inside of the region.
        case bounds
        /// The region does not permit the operation.
        case access
    }

    @usableFromInline package let fault: Fault
    /// The endpoint's address of the first byte.
    @usableFromInline package let hostAddress: UInt
    /// How many bytes from there are contiguous; less than asked for when the region has several extents.
    @usableFromInline package let contiguousBytes: UInt64

    @inlinable
    init(hostAddress: UInt, contiguousBytes: UInt64) {
        self.fault = .none
        self.hostAddress = hostAddress
        self.contiguousBytes = contiguousBytes
    }

    @inlinable
    init(_ fault: Fault) {
        self.fault = fault
        self.hostAddress = 0
        self.contiguousBytes = 0
    }
}

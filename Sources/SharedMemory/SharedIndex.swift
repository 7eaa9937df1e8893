import CLinux

/// One 32-bit word of shared memory with a single writer: a ring index or a wake-up flag.
@frozen
@usableFromInline
package struct SharedIndex: BitwiseCopyable {
    @usableFromInline let address: UnsafeMutableRawPointer

    @inlinable
    package init(_ address: UnsafeMutableRawPointer) {
        self.address = address
    }

    /// The value, with everything that its writer wrote before.
    @inlinable
    package func acquire() -> UInt32 { clinux_load_acquire32(address) }

    /// The value alone.
    @inlinable
    package func relaxed() -> UInt32 { clinux_load_relaxed32(address) }

    /// Publishes everything written before.
    @inlinable
    package func release(_ value: UInt32) { clinux_store_release32(address, value) }

    @inlinable
    package func storeRelaxed(_ value: UInt32) { clinux_store_relaxed32(address, value) }

    /// Stores, and orders the store before all later loads.
    @inlinable
    @discardableResult
    package func exchange(_ value: UInt32) -> UInt32 { clinux_exchange32(address, value) }
}

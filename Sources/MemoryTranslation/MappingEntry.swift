import Tables
import Verbs

/// One memory region in a guest's mapping table.
@frozen
@usableFromInline
package struct MappingEntry: BitwiseCopyable {
    @usableFromInline package var key: MemoryKey
    @usableFromInline package var protectionDomain: UInt32
    @usableFromInline package var access: AccessFlags
    /// The first address that requests may name.
    @usableFromInline package var start: UInt64
    @usableFromInline package var lengthBytes: UInt64
    /// The first extent: the whole region, in most cases.
    @usableFromInline var firstHostAddress: UInt
    @usableFromInline var firstLengthBytes: UInt64
    /// All extents and their starts within the region, when there is more than one.
    @usableFromInline var extents: Block<PlacedExtent>
    /// What a host device calls the region in its own requests; 0 when it is not registered with one.
    @usableFromInline package var hostKey: UInt32
    /// The context that registered it.
    package var context: UInt32

    /// The extents and where they start in the region.
    @frozen
    @usableFromInline
    package struct PlacedExtent: BitwiseCopyable {
        /// The distance from the start of the region.
        @usableFromInline var position: UInt64
        @usableFromInline var extent: ExtentPlace
    }

    @frozen
    @usableFromInline
    package struct ExtentPlace: BitwiseCopyable {
        @usableFromInline var hostAddress: UInt
        @usableFromInline var lengthBytes: UInt64
    }
}

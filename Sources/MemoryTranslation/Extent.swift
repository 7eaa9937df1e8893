import Tables

/// A contiguous piece of a memory region, as the endpoint sees it.
package struct Extent: BitwiseCopyable, Equatable {
    /// The guest's name of the memory: a region (memfd) and an offset in it.
    package var region: UInt32
    package var offset: UInt64
    package var lengthBytes: UInt64
    /// Where the piece is in the endpoint's own address space.
    package var hostAddress: UInt

    package init(region: UInt32, offset: UInt64, lengthBytes: UInt64, hostAddress: UInt) {
        self.region = region
        self.offset = offset
        self.lengthBytes = lengthBytes
        self.hostAddress = hostAddress
    }

    /// Mappings that it takes to have the pieces of a region follow each other: none for a single piece.
    package static func stitchedCount(_ extents: [Extent]) -> Int { extents.count > 1 ? extents.count : 0 }

    /// Joins neighbours that continue each other into one entry, so that most regions translate with a single compare.
    package static func fused(_ extents: [Extent]) -> [Extent] {
        var result: [Extent] = []
        for extent in extents where extent.lengthBytes > 0 {
            if let last = result.last, last.region == extent.region,
                last.offset &+ last.lengthBytes == extent.offset,
                last.hostAddress &+ UInt(truncatingIfNeeded: last.lengthBytes) == extent.hostAddress
            {
                result[result.count - 1].lengthBytes &+= extent.lengthBytes
            } else {
                result.append(extent)
            }
        }
        return result
    }
}

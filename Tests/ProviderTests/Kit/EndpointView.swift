import Glibc
import LinuxIO
import SharedMemory

@testable import Provider

/// Pinned memory as the endpoint sees it: through mappings of its own.
final class EndpointView {
    private var mappings: [MemoryFileIdentity: Mapping] = [:]
    private let extents: [FileExtent]

    init(_ pin: MemoryPin) throws {
        extents = pin.extents
        for extent in extents where mappings[extent.file.identity] == nil {
            mappings[extent.file.identity] = try Mapping(extent.file.file)
        }
    }

    var byteCount: Int { extents.reduce(0) { $0 + Int($1.lengthBytes) } }

    /// All bytes in order.
    var bytes: [UInt8] {
        var result: [UInt8] = []
        for extent in extents {
            guard let mapping = mappings[extent.file.identity] else { continue }
            result += UnsafeRawBufferPointer(start: mapping.base + Int(extent.offset), count: Int(extent.lengthBytes))
        }
        return result
    }

    func write(_ byte: UInt8, at position: Int) {
        var rest = position
        for extent in extents {
            if rest < Int(extent.lengthBytes), let mapping = mappings[extent.file.identity] {
                (mapping.base + Int(extent.offset) + rest).storeBytes(of: byte, as: UInt8.self)
                return
            }
            rest -= Int(extent.lengthBytes)
        }
    }
}

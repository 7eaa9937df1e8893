/// The engine's index of an object, as the context pointer that libibverbs gives back with its events.
enum DeviceIndex {
    static func pointer(_ index: UInt32) -> UnsafeMutableRawPointer? {
        UnsafeMutableRawPointer(bitPattern: UInt(index) + 1)
    }

    static func index(_ pointer: UnsafeMutableRawPointer?) -> UInt32? {
        UInt32(exactly: UInt(bitPattern: pointer) &- 1)
    }
}

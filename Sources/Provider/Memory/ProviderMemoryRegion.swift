import Verbs

/// A registered memory region (ibv_reg_mr(3)).
package final class ProviderMemoryRegion: Sendable {
    package let lkey: UInt32
    package let rkey: UInt32
    /// Where it lies in this process.
    package let address: UInt
    package let lengthBytes: UInt64
    package let protectionDomain: UInt32

    init(lkey: UInt32, rkey: UInt32, address: UInt, lengthBytes: UInt64, protectionDomain: UInt32) {
        self.lkey = lkey
        self.rkey = rkey
        self.address = address
        self.lengthBytes = lengthBytes
        self.protectionDomain = protectionDomain
    }
}

import CVRDMAABI
import Verbs

/// A registered memory region (ibv_reg_mr(3)). Its memory must stay mapped until it is deregistered.
package final class ProviderMemoryRegion: Sendable {
    package let lkey: UInt32
    package let rkey: UInt32
    /// Where it lies in this process.
    package let address: UInt
    package let lengthBytes: UInt64
    package let protectionDomain: UInt32
    let pin: MemoryPin

    init(
        _ keys: vrdma_reg_mr_reply, address: UInt, lengthBytes: UInt64, protectionDomain: UInt32, pin: MemoryPin
    ) {
        self.lkey = keys.lkey
        self.rkey = keys.rkey
        self.address = address
        self.lengthBytes = lengthBytes
        self.protectionDomain = protectionDomain
        self.pin = pin
    }
}

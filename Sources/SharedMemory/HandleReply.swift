import CVRDMAABI

extension vrdma_handle_reply {
    /// A reply without flags.
    package init(handle: UInt32, reserved: UInt32) {
        self.init(handle: handle, flags: reserved)
    }
}

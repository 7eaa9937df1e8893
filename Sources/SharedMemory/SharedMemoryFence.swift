import CLinux

/// Fences between shared memory accesses that are no pair of release and acquire.
package enum SharedMemoryFence {
    /// Orders all earlier accesses before all later ones.
    @inline(__always)
    @inlinable
    package static func full() {
        clinux_full_fence()
    }
}

import CLinux
import Glibc

/// How a thread shares its processor with others.
package enum Scheduling {
    /// Lets another thread that is ready run first (sched_yield(2)).
    package static func yield() {
        sched_yield()
    }

    /// The processor that the caller runs on.
    package static var currentProcessor: UInt32 {
        UInt32(truncatingIfNeeded: clinux_current_processor())
    }

    /// Asks for a short time slice, with which the scheduler lets a thread that wakes up run at once, also for an
    /// ordinary user. Older kernels ignore it.
    package static func requestShortSlice(nanoseconds: UInt64) {
        _ = clinux_set_slice_nanoseconds(nanoseconds)
    }
}

extension Scheduling {
    /// Tells the processor that this is a wait loop.
    @inline(__always)
    package static func pause() {
        clinux_pause()
    }

    package static var processIdentifier: Int32 { getpid() }
}

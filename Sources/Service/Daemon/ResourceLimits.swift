import Glibc

/// Limits that the system sets for this process (getrlimit(2)).
package enum ResourceLimits {
    /// Raises the limit of open files to what an administrator permits: every connection, channel and region is one.
    ///
    /// - Returns: the limit from now on.
    @discardableResult
    package static func raiseOpenFiles() -> UInt64 {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        if limit.rlim_cur < limit.rlim_max {
            let before = limit.rlim_cur
            limit.rlim_cur = limit.rlim_max
            if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) != 0 { return UInt64(before) }
        }
        return UInt64(limit.rlim_cur)
    }
}

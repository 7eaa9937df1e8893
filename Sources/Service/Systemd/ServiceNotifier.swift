import CSystemd
import Glibc
import LinuxIO
import Verbs

/// Tells the service manager about the daemon's state (sd_notify(3)). Without a manager every call does nothing.
package struct ServiceNotifier: Sendable {
    /// Creates a notifier.
    package init() {}

    /// Start-up is complete.
    package func ready(status: String = "") {
        send(["READY=1", "STATUS=\(status)"])
    }

    /// The configuration is being read again; `ready` follows when that is done.
    package func reloading() {
        // The time tells the manager which of several reloads this answers (systemd.service(5), Type=notify-reload).
        send(["RELOADING=1", "MONOTONIC_USEC=\(MonotonicClock.nowNanoseconds / 1000)"])
    }

    /// The daemon drains and stops.
    package func stopping(status: String = "") {
        send(["STOPPING=1", "STATUS=\(status)"])
    }

    /// One line for `systemctl status`.
    package func status(_ text: String) {
        send(["STATUS=\(text)"])
    }

    /// The daemon works; due within each watchdog interval, from the loop whose hanging is to be noticed.
    package func watchdog() {
        send(["WATCHDOG=1"])
    }

    /// The manager's watchdog interval (sd_watchdog_enabled(3)); nil when it does not watch. Report twice as often.
    package var watchdogIntervalNanoseconds: UInt64? {
        var microseconds: UInt64 = 0
        guard sd_watchdog_enabled(0, &microseconds) > 0 else { return nil }
        return microseconds.multipliedReportingOverflow(by: 1000).partialValue
    }

    /// Hands a descriptor to the manager, which returns it among the activation descriptors after a restart.
    ///
    /// - Parameters:
    ///   - name: at most 255 printable characters without a colon.
    /// - Returns: whether the message was sent; the manager keeps at most `FileDescriptorStoreMax=` of them.
    @discardableResult
    package func store(_ file: FileDescriptor, name: String) -> Bool {
        let state = "FDSTORE=1\nFDNAME=\(Self.oneLine(name))"
        var descriptors = [file.rawValue]
        return sd_pid_notify_with_fds(0, 0, state, &descriptors, 1) > 0
    }

    /// Makes the manager drop the stored descriptors of a name.
    package func forget(name: String) {
        send(["FDSTOREREMOVE=1", "FDNAME=\(name)"])
    }

    private func send(_ assignments: [String]) {
        sd_notify(0, assignments.map(Self.oneLine).joined(separator: "\n"))
    }

    /// A line break inside a value would begin another assignment.
    static func oneLine(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 ? " " : $0 }))
    }
}

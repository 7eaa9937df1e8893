import Testing

@testable import vrdma

/// How much memory an endpoint may lock for a device, and what its unit permits.
struct LockedMemoryTests {
    private let tree: SystemTree

    init() throws {
        tree = try SystemTree()
        try tree.addSoftRoCE()
        try tree.addDevice()
        try tree.configure("[endpoint]\nadapter = verbs\ndevice = rxe0\n[limits]\nmapped-memory = 1 GiB\n")
    }

    private func limits(_ soft: String) -> String {
        """
        Limit                     Soft Limit           Hard Limit           Units
        Max core file size        0                    unlimited            bytes
        Max locked memory         \(soft)             unlimited            bytes
        Max address space         unlimited            unlimited            bytes

        """
    }

    private func status(_ capabilities: String) -> String {
        "Name:\tvrdma\nCapPrm:\t000001ffffffffff\nCapEff:\t\(capabilities)\n"
    }

    private func finding(_ subject: String) -> Finding? {
        LockedMemoryExamination(situation: HostSituation(tree.files)).findings().first { $0.subject == subject }
    }

    @Test func parsers() {
        #expect(LockedMemoryExamination.lockedMemory(limits: limits("8388608")) == .bytes(8_388_608))
        #expect(LockedMemoryExamination.lockedMemory(limits: limits("unlimited")) == LockedMemoryExamination.Limit.none)
        #expect(LockedMemoryExamination.lockedMemory(limits: limits("x")) == nil)
        #expect(LockedMemoryExamination.lockedMemory(limits: "Max locked memory") == nil)
        #expect(LockedMemoryExamination.lockedMemory(limits: "") == nil)
        #expect(LockedMemoryExamination.mayLockAnyMemory(status: status("0000000000004000")))
        #expect(!LockedMemoryExamination.mayLockAnyMemory(status: status("0000000000003fff")))
        #expect(!LockedMemoryExamination.mayLockAnyMemory(status: status("-1")))
        #expect(!LockedMemoryExamination.mayLockAnyMemory(status: ""))
    }

    @Test func thisUser() throws {
        #expect(finding("locked memory of this user") == nil)
        try tree.write("/proc/self/limits", limits("8388608"))
        try tree.write("/proc/self/status", status("0000000000000000"))
        let small = try #require(finding("locked memory of this user"))
        #expect(small.level == .warn)
        #expect(small.detail.contains("8.0 MiB at most"))
        try tree.write("/proc/self/status", status("000001ffffffffff"))
        #expect(finding("locked memory of this user")?.detail == "no limit")
    }

    @Test func anEndpointThatRuns() throws {
        for (process, name) in [("17", "vrdma-endpointd"), ("18", "bash")] {
            try tree.write("/proc/\(process)/comm", name + "\n")
            try tree.write("/proc/\(process)/limits", limits("67108864"))
            try tree.write("/proc/\(process)/status", status("0000000000000000"))
        }
        #expect(finding("locked memory of vrdma-endpointd 17")?.level == .missing)
        #expect(finding("locked memory of vrdma-endpointd 18") == nil)
        // As much as a guest may have.
        try tree.write("/proc/17/limits", limits("1073741824"))
        #expect(finding("locked memory of vrdma-endpointd 17")?.level == .ok)
    }

    @Test func theUnit() throws {
        #expect(finding("endpoint's unit") == nil)
        let unit = "/usr/local/lib/systemd/system/vrdma-endpointd.service"
        try tree.write(unit, "[Service]\n")
        #expect(finding("endpoint's unit")?.level == .info)
        try tree.write("/run/systemd/system/other.service")
        let strict = try #require(finding("endpoint's unit"))
        #expect(strict.level == .missing)
        #expect(strict.remedy?.contains("systemctl daemon-reload") == true)
        let dropIn = "/etc/systemd/system/vrdma-endpointd.service.d/verbs.conf"
        try tree.write(dropIn, "[Service]\nLimitMEMLOCK=infinity\n")
        #expect(finding("endpoint's unit")?.level == .missing)
        try tree.write(dropIn, "[Service]\nLimitMEMLOCK = infinity\nDeviceAllow = char-infiniband_verbs rw\n")
        #expect(finding("endpoint's unit")?.level == .ok)
    }
}

import Service

/// Memory that is registered on a device is locked, and counts against a limit (RLIMIT_MEMLOCK, getrlimit(2)).
struct LockedMemoryExamination {
    let situation: HostSituation
    /// Where a drop-in for the endpoint's unit is installed, beside this program.
    var dropInSource = Self.installedDropIn()

    private static let daemon = "vrdma-endpointd"
    private static let unitDirectories = ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"]
        .map { "\($0)/systemd/system" }
    private var files: SystemFiles { situation.files }

    func findings() -> [Finding] {
        [unit()].compactMap(\.self) + processes() + [user()].compactMap(\.self)
    }

    private static func installedDropIn() -> String {
        let prefix = FileSystem.directory(of: FileSystem.directory(of: FileSystem.executablePath()))
        let name = "share/vrdma/systemd/verbs.conf"
        let path = "\(prefix)/\(name)"
        // One that was built and not installed knows the usual prefix only.
        return FileSystem.exists(path) ? path : "/usr/local/\(name)"
    }

    /// What the unit's sandbox permits. Only where it is installed, and there is a device.
    private func unit() -> Finding? {
        let name = "\(Self.daemon).service"
        guard situation.need != .none, Self.unitDirectories.contains(where: { files.exists("\($0)/\(name)") }) else {
            return nil
        }
        // As sd_booted(3) tells.
        guard files.exists("/run/systemd/system") else {
            return .info("endpoint's unit", "not in use: systemd does not run here")
        }
        let texts = Self.unitDirectories.flatMap { directory in
            files.names(in: "\(directory)/\(name).d").filter { $0.hasSuffix(".conf") }
                .compactMap { files.text("\(directory)/\(name).d/\($0)") }
        }
        if texts.contains(where: Self.admitsDevices) {
            return .ok("endpoint's unit", "may use RDMA devices and lock memory for them")
        }
        let finding = situation.problem(
            "endpoint's unit", "its sandbox has no RDMA device, and locks 64 MiB at most",
            remedy: "install -D -m 644 \(dropInSource) /etc/systemd/system/\(name).d/verbs.conf && "
                + "systemctl daemon-reload && systemctl restart \(Self.daemon)")
        // It is right for an endpoint without a device.
        return situation.need == .configured ? finding : .info(finding.subject, finding.detail, remedy: finding.remedy)
    }

    /// Whether a drop-in has what an endpoint with a device needs.
    static func admitsDevices(_ text: String) -> Bool {
        let lines = text.split(whereSeparator: \.isNewline).map { $0.filter { $0 != " " && $0 != "\t" } }
        return lines.contains("LimitMEMLOCK=infinity")
            && lines.contains { $0.hasPrefix("DeviceAllow=char-infiniband_verbs") }
    }

    /// Endpoints that run.
    private func processes() -> [Finding] {
        guard situation.need == .configured else { return [] }
        return files.names(in: "/proc").filter { files.line("/proc/\($0)/comm") == Self.daemon }.compactMap { process in
            limit(ofProcess: process).map { finding("locked memory of \(Self.daemon) \(process)", $0) }
        }
    }

    /// For an endpoint that this user starts.
    private func user() -> Finding? {
        guard situation.need != .none, let limit = limit(ofProcess: "self") else { return nil }
        let found = finding("locked memory of this user", limit)
        // It is the unit's limit that counts for the system's endpoint.
        return found.level == .missing ? .warn(found.subject, found.detail, remedy: found.remedy) : found
    }

    private func limit(ofProcess process: String) -> Limit? {
        if Self.mayLockAnyMemory(status: files.text("/proc/\(process)/status") ?? "") { return Limit.none }
        return files.text("/proc/\(process)/limits").flatMap(Self.lockedMemory(limits:))
    }

    private func finding(_ subject: String, _ limit: Limit) -> Finding {
        guard case .bytes(let bytes) = limit else { return .ok(subject, "no limit") }
        let wanted = UInt64(clamping: (situation.configuration?.limits ?? GuestLimits()).mappedMemoryBytes)
        guard bytes < wanted else { return .ok(subject, "\(StatusReport.size(bytes)) at most") }
        return situation.problem(
            subject, "\(StatusReport.size(bytes)) at most: more cannot be registered on a device",
            remedy: "LimitMEMLOCK=infinity in the endpoint's unit; ulimit -l unlimited in a shell of root, or memlock "
                + "in /etc/security/limits.conf")
    }

    /// How much memory may be locked.
    enum Limit: Equatable {
        case none
        case bytes(UInt64)
    }

    /// The soft limit in the text of /proc/PID/limits; nil when it has no such line.
    static func lockedMemory(limits text: String) -> Limit? {
        let title = "Max locked memory"
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(title) }),
            let soft = line.dropFirst(title.count).split(separator: " ").first
        else { return nil }
        return soft == "unlimited" ? Limit.none : UInt64(soft).map(Limit.bytes)
    }

    /// Whether /proc/PID/status tells of the capability CAP_IPC_LOCK (capabilities(7)), which is free of the limit.
    static func mayLockAnyMemory(status text: String) -> Bool {
        let name = "CapEff:"
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
            let set = UInt64(line.dropFirst(name.count).drop { $0 == " " || $0 == "\t" }, radix: 16)
        else { return false }
        return set & (1 << 14) != 0
    }
}

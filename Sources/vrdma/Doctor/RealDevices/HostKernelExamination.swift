/// What the kernel must have for real devices and soft-RoCE.
struct HostKernelExamination {
    let situation: HostSituation

    private var files: SystemFiles { situation.files }

    func findings() -> [Finding] {
        [userAccess(), softRoCE()] + deviceFiles()
    }

    private enum Module { case loaded, loadable, absent }

    private var release: String { files.line("/proc/sys/kernel/osrelease") ?? "" }

    /// - Parameter directory: where the module's file is, below the kernel's InfiniBand drivers.
    private func module(_ name: String, in directory: String) -> Module {
        if files.exists("/sys/module/\(name)") { return .loaded }
        let modules = "/lib/modules/\(release)"
        let isFile = files.names(in: "\(modules)/kernel/drivers/infiniband/\(directory)")
            .contains { $0.hasPrefix("\(name).ko") }
        if isFile { return .loadable }
        // Such a module without parameters has no directory in /sys/module.
        let builtIn = files.text("\(modules)/modules.builtin", limitBytes: 1 << 20) ?? ""
        return builtIn.split(separator: "\n").contains { $0.hasSuffix("/\(name).ko") } ? .loaded : .absent
    }

    private func userAccess() -> Finding {
        let subject = "kernel RDMA"
        switch files.exists("/sys/class/infiniband_verbs") ? .loaded : module("ib_uverbs", in: "core") {
        case .loaded: return .ok(subject, "ib_uverbs is loaded")
        case .loadable:
            return situation.problem(subject, "ib_uverbs is not loaded", remedy: "modprobe ib_uverbs")
        case .absent:
            return situation.problem(
                subject, "Linux \(release) has no ib_uverbs",
                remedy: "boot a distribution's kernel: apt-get install linux-image-amd64 (Debian), linux-image-generic "
                    + "(Ubuntu); in a container or small virtual machine, the kernel is the host's")
        }
    }

    /// Only a warning where somebody waits for such a device.
    private func softRoCE() -> Finding {
        let subject = "soft-RoCE"
        let needsIt = situation.need == .configured && situation.configuredDevice == nil
        func lack(_ detail: String, remedy: String) -> Finding {
            needsIt
                ? .warn(subject, detail, remedy: remedy)
                : .info(subject, "\(detail); only needed where there is no RDMA hardware", remedy: remedy)
        }
        switch module("rdma_rxe", in: "sw/rxe") {
        case .loaded: return .ok(subject, "rdma_rxe is loaded")
        case .loadable: return .ok(subject, "the kernel has rdma_rxe; rdma link add … type rxe loads it")
        case .absent:
            return lack(
                "Linux \(release) has no rdma_rxe",
                remedy: "boot a distribution's kernel: apt-get install linux-image-amd64 (Debian), "
                    + "linux-modules-extra-\(release) (Ubuntu)")
        }
    }

    private func deviceFiles() -> [Finding] {
        situation.devices.map { device in
            let subject = "device file of \(device.name)"
            guard let name = device.deviceFile else {
                return situation.problem(
                    subject, "ib_uverbs has none for \(device.name)", remedy: "modprobe ib_uverbs")
            }
            let path = "/dev/infiniband/\(name)"
            guard let mode = files.mode(path) else {
                return situation.problem(
                    subject, "\(path) does not exist",
                    remedy: "udevadm trigger --action=add --subsystem-match=infiniband_verbs")
            }
            let octal = "0" + String(mode, radix: 8)
            // Whoever cannot open it cannot run an endpoint on it; the system's endpoint is a user of its own.
            guard mode & 0o006 == 0o006 else {
                let detail = files.isUsable(path) ? "not for every user" : "not for this user"
                return situation.problem(
                    subject, "\(path) has mode \(octal): \(detail)",
                    remedy: "chmod 0666 \(path), for good by a udev rule (in /etc/udev/rules.d/90-vrdma.rules: "
                        + "SUBSYSTEM==\"infiniband_verbs\", MODE=\"0666\"), or give the endpoint the file's group "
                        + "(SupplementaryGroups= of its unit)")
            }
            guard files.isUsable(path) else {
                return situation.problem(
                    subject, "\(path) has mode \(octal), yet cannot be opened",
                    remedy: "allow it in the container or the unit: DeviceAllow=char-infiniband_verbs rw")
            }
            return .ok(subject, "\(path), mode \(octal)")
        }
    }
}

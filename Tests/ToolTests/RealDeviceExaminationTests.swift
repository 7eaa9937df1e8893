import Testing

@testable import vrdma

/// `vrdma doctor` on the way to an endpoint with a real device.
struct RealDeviceExaminationTests {
    private let tree: SystemTree

    init() throws {
        tree = try SystemTree()
        try tree.addSoftRoCE()
    }

    private func findings() -> [Finding] {
        RealDeviceExamination.findings(tree.files)
    }

    private func finding(_ subject: String) throws -> Finding {
        let all = findings()
        return try #require(all.first { $0.subject == subject }, "\(all.map(\.subject))")
    }

    /// A machine without anything of it, where nothing of it is needed.
    @Test func nothing() throws {
        let findings = RealDeviceExamination.findings(try SystemTree().files)
        #expect(findings.allSatisfy { $0.level == .info && $0.remedy != nil }, "\(findings)")
        let subjects = findings.map(\.subject)
        #expect(subjects == ["kernel RDMA", "soft-RoCE", "libibverbs", "rdma tool", "RDMA devices"])
        #expect(findings.contains { $0.detail.contains("not needed for guests of one endpoint") })
    }

    /// Packages and kernel are there, and nothing was made yet: the next step is named.
    @Test func softRoCEIsInstalled() throws {
        #expect(try finding("kernel RDMA").remedy == "modprobe ib_uverbs")
        #expect(try finding("soft-RoCE").level == .ok)
        #expect(try finding("provider rxe").level == .ok)
        #expect(try finding("rdma tool").detail == "/usr/bin/rdma")
        let devices = try finding("RDMA devices")
        #expect(devices.level == .info)
        #expect(devices.remedy?.contains("rdma link add rxe0 type rxe netdev eth0") == true)
    }

    @Test func everythingIsThere() throws {
        try tree.addDevice()
        try tree.configure("[endpoint]\nadapter = verbs\ndevice = rxe0\n[guest a]\naddress = 10.9.0.1\n")
        let all = findings()
        #expect(all.allSatisfy { $0.level == .ok }, "\(all.filter { $0.level != .ok })")
        let device = try finding("device rxe0")
        #expect(device.detail == "port 1 ACTIVE, Ethernet on eth0, addresses 10.9.0.1")
        #expect(try finding("host adapter").detail == "verbs on rxe0 port 1")
        #expect(try finding("device file of rxe0").detail == "/dev/infiniband/uverbs0, mode 0666")
    }

    @Test func aKernelModuleThatIsBuiltIn() throws {
        tree.remove("/lib/modules")
        #expect(try finding("kernel RDMA").detail.contains("6.1.0-56-amd64 has no ib_uverbs"))
        try tree.write(
            "/lib/modules/6.1.0-56-amd64/modules.builtin",
            "kernel/drivers/infiniband/core/ib_uverbs.ko\nkernel/drivers/infiniband/sw/rxe/rdma_rxe.ko\n")
        #expect(try finding("kernel RDMA").level == .ok)
        #expect(try finding("soft-RoCE").level == .ok)
    }

    @Test func theConfiguredDeviceDoesNotExist() throws {
        try tree.configure("[endpoint]\nadapter = verbs\ndevice = rxe1\n")
        let alone = try finding("host adapter")
        #expect(alone.level == .missing)
        #expect(alone.remedy == "rdma link add rxe1 type rxe netdev eth0")
        try tree.addDevice()
        let beside = try finding("host adapter")
        #expect(beside.detail == "verbs on rxe1, which does not exist; there are: rxe0")
        #expect(beside.remedy?.contains("device = rxe0") == true)
        try tree.configure("[endpoint]\nadapter = verbs\ndevice = rxe0\ndevice-port = 2\n")
        #expect(try finding("host adapter").detail == "verbs on rxe0 port 2, which does not exist")
    }

    @Test func aNetworkInterfaceIsConfigured() throws {
        try tree.configure("[endpoint]\nadapter = verbs\ndevice = eth0\n")
        let none = try finding("host adapter")
        #expect(none.level == .missing)
        #expect(none.detail.hasSuffix("eth0 is a network interface, and has no RDMA device"))
        #expect(none.remedy?.hasPrefix("rdma link add rxe0 type rxe netdev eth0, and device = rxe0") == true)
        try tree.addDevice()
        #expect(try finding("host adapter").detail.hasSuffix("eth0 is a network interface; its RDMA device is rxe0"))
        #expect(try finding("host adapter").remedy == "device = rxe0 in /etc/vrdma/endpoint.conf")
    }

    /// A device is not proposed on what other software made for itself as long as there is anything better.
    @Test func theInterfaceForADevice() throws {
        tree.remove("/sys/class/net/eth0")
        for name in ["br-1", "bonding_masters", "docker0", "dummy0", "enp1s0", "enp2s0", "veth1"] {
            try tree.write("/sys/class/net/\(name)/\(name == "bonding_masters" ? "none" : "mtu")", "1500\n")
        }
        try tree.write("/sys/class/net/docker0/bridge/bridge_id")
        for name in ["enp1s0", "enp2s0"] { try tree.write("/sys/class/net/\(name)/device/uevent") }
        try tree.write("/sys/class/net/enp1s0/operstate", "down\n")
        for interface in ["enp2s0", "enp1s0", "dummy0", "br-1", "docker0", "veth1"] {
            let remedy = try #require(try finding("RDMA devices").remedy)
            #expect(remedy.hasSuffix("rdma link add rxe0 type rxe netdev \(interface)"))
            tree.remove("/sys/class/net/\(interface)")
        }
        #expect(try finding("RDMA devices").remedy?.hasSuffix("netdev INTERFACE") == true)
    }

    @Test func theDeviceIsNotUsedYet() throws {
        try tree.addDevice()
        try tree.configure("")
        let adapter = try finding("host adapter")
        #expect(adapter.level == .info)
        #expect(adapter.remedy == "to reach others: adapter = verbs, device = rxe0")
    }

    /// The endpoint does not start with it.
    @Test func mistakesInTheConfiguration() throws {
        try tree.configure("[endpoint]\nadapter = verb\ndevice-port = 0\n")
        let mistakes = findings().filter { $0.subject == "configuration" }
        #expect(mistakes.map(\.level) == [.missing, .missing])
        #expect(mistakes.first?.detail.contains("did you mean 'verbs'") == true)
        #expect(mistakes.last?.detail.contains("device-port") == true)
    }

    @Test func thePortIsDown() throws {
        try tree.addDevice(state: "1: DOWN")
        #expect(try finding("device rxe0").level == .warn)
        try tree.configure("[endpoint]\nadapter = verbs\ndevice = rxe0\n")
        let port = try finding("device rxe0")
        #expect(port.level == .missing)
        #expect(port.remedy == "ip link set eth0 up, and connect it")
        // Another one's port does not matter.
        try tree.configure("[endpoint]\nadapter = verbs\ndevice = rxe1\n")
        #expect(try finding("device rxe0").level == .info)
    }

    @Test func addresses() throws {
        try tree.addDevice(addresses: ["fe80:0000:0000:0000:5054:00ff:fe09:0001"])
        try tree.configure("[endpoint]\nadapter = verbs\ndevice = rxe0\n[guest a]\naddress = 10.9.0.7\n")
        try tree.write("/etc/vrdma/guests/b.conf", "[guest]\naddress = fd00::7\n")
        try tree.write("/etc/vrdma/guests/damaged.conf", "[guest")
        #expect(try finding("device rxe0").remedy == "ip address add ADDRESS/PREFIX dev eth0")
        #expect(try finding("guest a").remedy == "ip address add 10.9.0.7/PREFIX dev eth0")
        #expect(try finding("guest b").detail == "its address fd00::7 is none of rxe0")
        #expect(try finding("guest b").level == .missing)
    }

    @Test func libraries() throws {
        try tree.addDevice()
        tree.remove("/etc/libibverbs.d/rxe.driver")
        #expect(try finding("provider rxe").remedy == "apt-get install ibverbs-providers")
        #expect(try finding("provider rxe").level == .warn)
        try tree.write("/etc/libibverbs.d/some.driver", "# none\n driver\t/usr/lib64/librxe\n")
        #expect(try finding("provider rxe").level == .ok)
        tree.remove("/usr/lib/x86_64-linux-gnu/libibverbs")
        #expect(try finding("provider rxe").detail == "no library in /usr/lib/x86_64-linux-gnu/libibverbs")
        tree.remove("/usr/lib/x86_64-linux-gnu/libibverbs.so.1")
        #expect(try finding("libibverbs").remedy == "apt-get install libibverbs1")
        // The drop-in is not the system's.
        try tree.write("/usr/local/lib/vrdma/libibverbs.so.1")
        #expect(try finding("libibverbs").level == .warn)
    }

    @Test func deviceFiles() throws {
        try tree.addDevice()
        try tree.write("/dev/infiniband/uverbs0", mode: 0o600)
        #expect(try finding("device file of rxe0").detail.contains("mode 0600"))
        tree.remove("/dev/infiniband/uverbs0")
        #expect(try finding("device file of rxe0").remedy?.contains("udevadm trigger") == true)
        tree.remove("/sys/class/infiniband_verbs/uverbs0")
        #expect(try finding("device file of rxe0").remedy == "modprobe ib_uverbs")
    }
}

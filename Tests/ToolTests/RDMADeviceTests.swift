import Testing
import Verbs

@testable import vrdma

/// The devices of a machine, as sysfs describes them.
struct RDMADeviceTests {
    @Test func none() throws {
        #expect(RDMADevice.all(try SystemTree().files).isEmpty)
    }

    @Test func softRoCE() throws {
        let tree = try SystemTree()
        try tree.addDevice()
        let device = try #require(RDMADevice.all(tree.files).first)
        #expect(device.name == "rxe0")
        #expect(device.provider == "rxe")
        #expect(device.networkInterface == "eth0")
        #expect(device.deviceFile == "uverbs0")
        let port = try #require(device.port(1))
        #expect(port.isActive)
        #expect(port.linkLayer == "Ethernet")
        #expect(port.addresses.count == 2)
        #expect(port.addresses[1].type == "RoCE v2")
        #expect(port.hostAddresses == [GID(ipv4: 0x0a09_0001)])
        #expect(device.port(2) == nil)
    }

    /// A card with two ports, whose driver is that of its bus; an address stands in the table for two protocols.
    @Test func hardware() throws {
        let tree = try SystemTree()
        let path = "/sys/class/infiniband/mlx5_0"
        try tree.link("\(path)/device/driver", to: "../../../../bus/pci/drivers/mlx5_core")
        for port in 1...2 {
            try tree.write("\(path)/ports/\(port)/state", "1: DOWN\n")
            for (index, type) in ["IB/RoCE v1", "RoCE v2"].enumerated() {
                try tree.write("\(path)/ports/\(port)/gids/\(index)", "0000:0000:0000:0000:0000:ffff:0a00:0005\n")
                try tree.write("\(path)/ports/\(port)/gid_attrs/types/\(index)", "\(type)\n")
                try tree.write("\(path)/ports/\(port)/gid_attrs/ndevs/\(index)", "eth\(port)\n")
            }
        }
        let device = try #require(RDMADevice.all(tree.files).first)
        #expect(device.provider == "mlx5")
        #expect(device.networkInterface == "eth1")
        #expect(device.deviceFile == nil)
        #expect(device.ports.map(\.number) == [1, 2])
        #expect(device.ports.allSatisfy { $0.state == "DOWN" && !$0.isActive })
        #expect(device.port(2)?.hostAddresses == [GID(ipv4: 0x0a00_0005)])
    }

    /// What is not as expected is left out.
    @Test func damaged() throws {
        let tree = try SystemTree()
        try tree.write("/sys/class/infiniband/x/ports/one/state", "4: ACTIVE\n")
        try tree.write("/sys/class/infiniband/x/ports/3/state", "")
        try tree.write("/sys/class/infiniband/x/ports/3/gids/0", "no address\n")
        try tree.write("/sys/class/infiniband/x/ports/3/gids/x", "fe80::1\n")
        let device = try #require(RDMADevice.all(tree.files).first)
        #expect(device.provider == nil)
        #expect(device.ports.map(\.number) == [3])
        #expect(device.ports[0].state == "unknown")
        #expect(device.ports[0].addresses.isEmpty)
    }

    @Test(arguments: [("4: ACTIVE", "ACTIVE"), ("1: DOWN", "DOWN"), ("ACTIVE", "ACTIVE"), ("", "unknown"), (":", "")])
    func states(line: String, state: String) {
        #expect(RDMADevice.state(line) == state)
    }
}

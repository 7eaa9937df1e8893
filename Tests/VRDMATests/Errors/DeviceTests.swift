import Glibc
import Testing
import VRDMA

extension IntegrationTests {
    @Suite struct DeviceTests {
        @Test func whatADeviceSaysOfItself() throws {
            let installation = try Installation()
            let device = try installation.open("b")
            #expect(device.guestName == "b" && device.address == GID("10.0.0.2"))
            #expect(device.attributes.guestName == "b" && device.attributes.portCount == 1)
            let port = try device.port()
            #expect(port.isActive && port.activeMTU == .bytes4096 && port.gidTableEntries == 2)
            let gids = try device.gids()
            #expect(gids.count == 2 && gids[0].isLinkLocal && gids[1] == device.address)
            #expect(try device.partitionKey(at: 0) == 0xffff)
            #expect(throws: VerbsError.self) { try device.port(2) }
            #expect(throws: VerbsError.self) { try device.gid(at: 2) }
            #expect(throws: VerbsError.self) { try device.gid(at: -1) }
            #expect(throws: VerbsError.self) { try device.partitionKey(at: 1) }
        }

        @Test func theEnvironmentNamesADevice() throws {
            let installation = try Installation()
            setenv("VRDMA_GUEST_SOCKET", installation.socketPath("a"), 1)
            defer { unsetenv("VRDMA_GUEST_SOCKET") }
            #expect(Device.defaultSocketPath == installation.socketPath("a"))
            let found = Device.list()
            #expect(found.map(\.guestName) == ["a"] && found.map(\.address) == [GID("10.0.0.1")])
            #expect(try Device.open().guestName == "a")
            setenv("VRDMA_GUEST_SOCKET", "/tmp/vrdma-nobody", 1)
            #expect(Device.list().isEmpty)
        }
    }
}

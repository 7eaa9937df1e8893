import Testing
import Verbs

@testable import VerbsAdapter

struct VerbsAdapterErrorTests {
    /// No machine has a device of this name; most that run tests have none at all.
    @Test func aDeviceThatIsNotThereIsNamed() throws {
        let error = #expect(throws: VerbsAdapterError.self) { try VerbsAdapter(deviceName: "no-such-device") }
        let text = try #require(error).description
        #expect(text.hasPrefix("there is no RDMA device 'no-such-device'"))
        #expect(text.contains("rdma link add") || text.contains("but: "))
    }

    @Test func othersAreListed() {
        let error = VerbsAdapterError.unknownDevice("rxe1", existing: ["mlx5_0", "rxe0"])
        #expect(error.description == "there is no RDMA device 'rxe1' on this host, but: mlx5_0, rxe0")
    }

    @Test func aMissingPermissionIsNamed() {
        let error = VerbsAdapterError.cannotOpen(device: "rxe0", file: "/dev/infiniband/uverbs0", .accessDenied)
        #expect(error.description.contains("read and write /dev/infiniband/uverbs0"))
    }

    @Test func lockedMemoryIsNamed() {
        let error = VerbsAdapterError.refused(device: "rxe0", what: "a registration of memory", .outOfMemory)
        #expect(error.description.contains("RLIMIT_MEMLOCK"))
    }

    @Test func thePortsAreCounted() {
        let error = VerbsAdapterError.noSuchPort(device: "rxe0", port: 3, portCount: 1)
        #expect(error.description.contains("no port 3") && error.description.contains("from 1 to 1"))
    }
}

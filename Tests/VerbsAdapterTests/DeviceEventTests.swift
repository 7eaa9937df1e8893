import TestKit
import Testing

@testable import VerbsAdapter

struct DeviceEventTests {
    private func parse(_ lines: String...) -> DeviceEvent? {
        DeviceEvent(Array((lines.joined(separator: "\0") + "\0").utf8))
    }

    private static let removal = [
        "remove@/devices/virtual/infiniband_verbs/uverbs0", "ACTION=remove",
        "DEVPATH=/devices/virtual/infiniband_verbs/uverbs0", "SUBSYSTEM=infiniband_verbs", "MAJOR=231", "MINOR=192",
        "DEVNAME=infiniband/uverbs0", "SEQNUM=1404",
    ].joined(separator: "\0")

    @Test func anEventOfTheKernelIsRead() throws {
        let event = try #require(parse(Self.removal))
        #expect(event.action == .removed)
        #expect(event.subsystem == "infiniband_verbs")
        #expect(event.name == "uverbs0")
        #expect(event.sequence == 1404)
        #expect(event.removes(device: "rxe0", verbsFile: "uverbs0"))
        #expect(!event.removes(device: "rxe0", verbsFile: "uverbs1"))
        #expect(!event.addsDevice)
    }

    @Test func theEndOfTheDeviceItselfCounts() throws {
        let event = try #require(
            parse("remove@/devices/x/rxe0", "ACTION=remove", "DEVPATH=/devices/x/rxe0", "SUBSYSTEM=infiniband"))
        #expect(event.removes(device: "rxe0", verbsFile: "uverbs0"))
        #expect(!event.removes(device: "rxe1", verbsFile: "rxe0"))
        #expect(event.sequence == .max)
    }

    @Test func anotherClassOfTheSameNameDoesNotCount() throws {
        let event = try #require(
            parse("remove@/devices/x/rxe0", "ACTION=remove", "DEVPATH=/devices/x/rxe0", "SUBSYSTEM=net"))
        #expect(!event.removes(device: "rxe0", verbsFile: "rxe0"))
    }

    @Test func anAdditionIsSeen() throws {
        let event = try #require(
            parse("add@/devices/x/uverbs3", "ACTION=add", "DEVPATH=/devices/x/uverbs3", "SUBSYSTEM=infiniband_verbs"))
        #expect(event.addsDevice)
        #expect(!event.removes(device: "rxe0", verbsFile: "uverbs3"))
    }

    @Test(arguments: [
        "", "\0\0", "libudev\0ACTION=add", "add@/x", "add@/x\0ACTION=add\0SUBSYSTEM=infiniband", "add@/x\0=",
    ])
    func anythingElseIsNone(text: String) {
        #expect(DeviceEvent(Array(text.utf8)) == nil)
    }

    @Test(arguments: Seeds.first(100))
    func noBytesHarm(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var bytes = Array(Self.removal.utf8)
        for _ in 0..<Int.random(in: 1...20, using: &random) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        _ = DeviceEvent(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
    }
}

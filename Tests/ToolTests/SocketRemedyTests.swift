import Glibc
import Testing

@testable import vrdma

/// What users are told about sockets that they cannot use.
struct SocketRemedyTests {
    private let tree: SystemTree

    init() throws {
        tree = try SystemTree()
    }

    @Test func aGuestThatTheSystemHas() throws {
        let directory = tree.files.root + HostSituation.guestsPath
        #expect(SocketRemedy.notRunning("alpha", configurations: directory).contains("--address ADDR"))
        try tree.write("\(HostSituation.guestsPath)/alpha.conf", "[guest]\n")
        let text = SocketRemedy.notRunning("alpha", configurations: directory)
        #expect(text.contains("systemctl start vrdma-guestd@alpha"))
        #expect(!text.contains("--address"))
        #expect(SocketRemedy.notRunning("../guests/alpha", configurations: directory).contains("--address ADDR"))
    }

    @Test(.enabled(if: getuid() == 0)) func groups() throws {
        try tree.write("/run/a.sock")
        let path = tree.files.root + "/run/a.sock"
        #expect(chown(path, 0, 0) == 0)
        #expect(SocketRemedy.joinGroup(of: path).hasPrefix("it belongs to root: set 'group = vrdma'"))
        #expect(SocketRemedy.joinGroup(of: tree.files.root + "/run").contains("chmod 0755"))
        #expect(chown(path, 0, 1) == 0)
        #expect(SocketRemedy.joinGroup(of: path).hasPrefix("join its group (usermod --append --groups daemon "))
    }

    @Test func noGuestOfTheSystemRuns() throws {
        try tree.configure("")
        #expect(GuestExamination.none(HostSituation(tree.files)).level == .ok)
        try tree.configure("[endpoint]\nadapter = verbs\ndevice = rxe0\n")
        let none = GuestExamination.none(HostSituation(tree.files))
        #expect(none.level == .warn)
        #expect(none.remedy?.contains("/etc/vrdma/guests/NAME.conf") == true)
        try tree.write("\(HostSituation.guestsPath)/alpha.conf", "[guest]\n")
        #expect(GuestExamination.none(HostSituation(tree.files)).remedy == "systemctl start vrdma-guestd@alpha")
    }
}

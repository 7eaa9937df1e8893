import Glibc
import LinuxIO
import Testing
import Verbs

@testable import Service

@Suite struct AccountTests {
    @Test func namesAndNumbers() {
        #expect(AccountName("root") == .name("root"))
        #expect(AccountName("vrdma-Blue_1.x") == .name("vrdma-Blue_1.x"))
        #expect(AccountName("0") == .identifier(0))
        #expect(AccountName("4294967294") == .identifier(4_294_967_294))
        for text in ["", "-1", "4294967295", "1a", "a b", ".a", "-a", "é", String(repeating: "x", count: 33)] {
            #expect(AccountName(text) == nil, "\(text)")
        }
    }

    @Test func theSystemsAccounts() throws {
        #expect(try AccountDatabase.system.user(.name("root")) == 0)
        #expect(try AccountDatabase.system.group(.name("root")) == 0)
        #expect(try AccountDatabase.system.user(.identifier(12345)) == 12345)
        #expect(throws: AccountError.unknownUser("no-such-user-here")) {
            try AccountDatabase.system.user(.name("no-such-user-here"))
        }
        #expect(throws: AccountError.unknownGroup("no-such-group-here")) {
            try AccountDatabase.system.group(.name("no-such-group-here"))
        }
    }

    @Test func aFailingDatabaseIsReported() {
        let broken = AccountDatabase(
            userIdentifier: { (_) throws(Errno) in throw .inputOutput },
            groupIdentifier: { (_) throws(Errno) in throw .inputOutput })
        #expect(throws: AccountError.lookupFailed("a", .inputOutput)) { try broken.user(.name("a")) }
        #expect(throws: AccountError.lookupFailed("a", .inputOutput)) { try broken.group(.name("a")) }
    }

    @Test func aSocketGetsItsOwnerAndMode() throws {
        let path = "/tmp/vrdma-socket-access-\(getpid())"
        _ = try PacketSocket.listen(path: path)
        defer { unlink(path) }
        try SocketAccess(owner: .identifier(getuid()), group: .identifier(getgid()), mode: 0o640).apply(to: path)
        var status = stat()
        #expect(lstat(path, &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o640)
        #expect(status.st_uid == getuid())
        let error = #expect(throws: SocketAccessError.self) {
            try SocketAccess(group: .name("no-such-group-here")).apply(to: path)
        }
        #expect(error?.description.hasPrefix("socket \(path): there is no group 'no-such-group-here'") == true)
        #expect(throws: SocketAccessError.self) { try SocketAccess().apply(to: path + "-missing") }
    }
}

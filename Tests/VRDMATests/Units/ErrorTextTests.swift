import Glibc
import Testing
import VRDMA

@Suite struct ErrorTextTests {
    @Test func aMissingGuestDriverIsNamedWithTheRemedy() {
        let path = "/tmp/vrdma-no-such-directory/guest.sock"
        let error = #expect(throws: VerbsError.self) { try Device.open(socketPath: path) }
        #expect(error?.code == .noSuchFile)
        #expect(error?.operation == "open the device at \(path)")
        #expect(error?.reason.contains("start vrdma-guestd") == true)
        #expect(error?.description.hasSuffix("[No such file or directory]") == true)
    }

    @Test func aPathThatIsTooLongIsAnError() {
        let path = "/tmp/" + String(repeating: "x", count: 200)
        let error = #expect(throws: VerbsError.self) { try Device.open(socketPath: path) }
        #expect(error?.code.rawValue == ENAMETOOLONG)
    }
}

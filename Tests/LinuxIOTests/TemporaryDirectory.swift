import Glibc
import Verbs

/// A directory of a test's own, removed with what is in it.
final class TemporaryDirectory {
    let path: String

    init() throws {
        var template = Array("/tmp/vrdma-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno.current }
        path = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        unlink("\(path)/socket")
        rmdir(path)
    }
}

import Glibc
import Verbs

extension Errno {
    /// This process has no room for another descriptor.
    static let tooManyOpenFiles = Errno(rawValue: EMFILE)
    /// The whole system has no room for another descriptor.
    static let tooManyOpenFilesInSystem = Errno(rawValue: ENFILE)
    /// There are as many users as the configuration permits.
    static let tooManyUsers = Errno(rawValue: EUSERS)
    /// A connection ended before it was accepted.
    static let connectionAborted = Errno(rawValue: ECONNABORTED)
    /// The other side closed the connection.
    static let brokenPipe = Errno(rawValue: EPIPE)
}

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// An error number of the system, as `errno(3)` names them. Verbs report their failures with the same numbers.
public struct Errno: RawRepresentable, Error, Hashable, Sendable {
    /// The positive errno value.
    public let rawValue: Int32

    /// From the number in the specification's encoding; bits beyond its width are dropped.
    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// The calling thread's `errno`.
    public static var current: Errno { Errno(rawValue: errno) }

    /// Invalid argument.
    public static let invalidArgument = Errno(rawValue: EINVAL)
    /// A limit of objects or memory was reached.
    public static let outOfMemory = Errno(rawValue: ENOMEM)
    /// The object is in use by another one.
    public static let busy = Errno(rawValue: EBUSY)
    /// The operation is not offered.
    public static let notSupported = Errno(rawValue: EOPNOTSUPP)
    /// The device, guest driver or endpoint is gone.
    public static let inputOutput = Errno(rawValue: EIO)
    /// Not permitted for this user.
    public static let notPermitted = Errno(rawValue: EPERM)
    /// Access denied.
    public static let accessDenied = Errno(rawValue: EACCES)
    /// The address is in use.
    public static let addressInUse = Errno(rawValue: EADDRINUSE)
    /// There is no path to the address.
    public static let networkUnreachable = Errno(rawValue: ENETUNREACH)
    /// There is nothing now; try again.
    public static let wouldBlock = Errno(rawValue: EAGAIN)
    /// A bad address, or memory that is not mapped.
    public static let badAddress = Errno(rawValue: EFAULT)
    /// There is no such file.
    public static let noSuchFile = Errno(rawValue: ENOENT)
    /// The peer speaks another version of the protocol.
    public static let protocolNotSupported = Errno(rawValue: EPROTONOSUPPORT)
    /// The peer broke the protocol.
    public static let protocolError = Errno(rawValue: EPROTO)
    /// The call took too long.
    public static let timedOut = Errno(rawValue: ETIMEDOUT)
    /// The connection was refused.
    public static let connectionRefused = Errno(rawValue: ECONNREFUSED)
    /// The peer closed the connection.
    public static let connectionReset = Errno(rawValue: ECONNRESET)
    /// A value is out of its range.
    public static let outOfRange = Errno(rawValue: ERANGE)
    /// The call was interrupted by a signal.
    public static let interrupted = Errno(rawValue: EINTR)
    /// This process or the system has no descriptor left.
    public static let tooManyOpenFiles = Errno(rawValue: EMFILE)
    /// A name exists already.
    public static let alreadyExists = Errno(rawValue: EEXIST)
    /// No such device or guest.
    public static let noSuchDevice = Errno(rawValue: ENODEV)
    /// The device has no such address.
    public static let addressNotAvailable = Errno(rawValue: EADDRNOTAVAIL)
    /// The device that leads to a network is away.
    public static let networkDown = Errno(rawValue: ENETDOWN)
}

extension Errno: CustomStringConvertible {
    /// The text of strerror(3).
    public var description: String {
        guard let text = strerror(rawValue) else { return "error \(rawValue)" }
        return String(cString: text)
    }
}

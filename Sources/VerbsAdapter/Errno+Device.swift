import Verbs

extension Errno {
    /// The reason of a call of libibverbs that returned nothing; some providers leave errno as it was.
    static var ofDevice: Errno {
        let error = Errno.current
        return error.rawValue == 0 ? .inputOutput : error
    }

    /// The result of a call of libibverbs that returns an error number; some providers return it negative.
    static func ofDevice(_ result: Int32) -> Errno {
        Errno(rawValue: result < 0 ? 0 &- result : result)
    }

    /// Errors that a device gives which is not there any more.
    var mayMeanLoss: Bool { self == .noSuchDevice || self == .inputOutput }
}

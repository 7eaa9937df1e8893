/// How a work request ended; the values of `enum ibv_wc_status` (ibv_poll_cq(3), IBA 11.6.2).
public struct WorkCompletionStatus: RawRepresentable, BitwiseCopyable, Hashable, Sendable, Error {
    public let rawValue: UInt32

    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    public static let success = WorkCompletionStatus(rawValue: 0)
    public static let localLengthError = WorkCompletionStatus(rawValue: 1)
    public static let localQueuePairOperationError = WorkCompletionStatus(rawValue: 2)
    public static let localEndToEndContextError = WorkCompletionStatus(rawValue: 3)
    public static let localProtectionError = WorkCompletionStatus(rawValue: 4)
    public static let flushError = WorkCompletionStatus(rawValue: 5)
    public static let memoryWindowBindError = WorkCompletionStatus(rawValue: 6)
    public static let badResponseError = WorkCompletionStatus(rawValue: 7)
    public static let localAccessError = WorkCompletionStatus(rawValue: 8)
    public static let remoteInvalidRequestError = WorkCompletionStatus(rawValue: 9)
    public static let remoteAccessError = WorkCompletionStatus(rawValue: 10)
    public static let remoteOperationError = WorkCompletionStatus(rawValue: 11)
    public static let retryExceeded = WorkCompletionStatus(rawValue: 12)
    public static let receiverNotReadyRetryExceeded = WorkCompletionStatus(rawValue: 13)
    public static let fatalError = WorkCompletionStatus(rawValue: 19)
    public static let responseTimeout = WorkCompletionStatus(rawValue: 20)
    public static let generalError = WorkCompletionStatus(rawValue: 21)
}

extension WorkCompletionStatus: CustomStringConvertible {
    /// The words of ibv_wc_status_str(3).
    public var description: String {
        let names = [
            "success", "local length error", "local QP operation error", "local EE context operation error",
            "local protection error", "Work Request Flushed Error", "memory bind operation error",
            "bad response error", "local access error", "remote invalid request error", "remote access error",
            "remote operation error", "transport retry counter exceeded", "RNR retry counter exceeded",
            "local RDD violation error", "remote invalid RD request", "aborted error", "invalid EE context number",
            "invalid EE context state", "fatal error", "response timeout error", "general error",
        ]
        let index = Int(rawValue)
        return index < names.count ? names[index] : "unknown"
    }
}

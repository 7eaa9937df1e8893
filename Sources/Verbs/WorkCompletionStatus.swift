/// How a work request ended; the values of `enum ibv_wc_status` (ibv_poll_cq(3), IBA 11.6.2).
public struct WorkCompletionStatus: RawRepresentable, BitwiseCopyable, Hashable, Sendable, Error {
    /// The number in the specification's encoding.
    public let rawValue: UInt32

    /// From the number in the specification's encoding; bits beyond its width are dropped.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// The request was carried out.
    public static let success = WorkCompletionStatus(rawValue: 0)
    /// A message was longer than the queue pair or the receive permits.
    public static let localLengthError = WorkCompletionStatus(rawValue: 1)
    /// The request or the queue pair was inconsistent.
    public static let localQueuePairOperationError = WorkCompletionStatus(rawValue: 2)
    /// Of reliable datagrams; never seen.
    public static let localEndToEndContextError = WorkCompletionStatus(rawValue: 3)
    /// A scatter/gather element names memory that may not be used.
    public static let localProtectionError = WorkCompletionStatus(rawValue: 4)
    /// The queue pair was in the error state before the request was done.
    public static let flushError = WorkCompletionStatus(rawValue: 5)
    /// A memory window could not be bound.
    public static let memoryWindowBindError = WorkCompletionStatus(rawValue: 6)
    /// The responder answered what was not expected.
    public static let badResponseError = WorkCompletionStatus(rawValue: 7)
    /// A protection error on a receive of an RDMA WRITE with immediate data.
    public static let localAccessError = WorkCompletionStatus(rawValue: 8)
    /// The responder does not accept such a request.
    public static let remoteInvalidRequestError = WorkCompletionStatus(rawValue: 9)
    /// The responder's memory may not be used so.
    public static let remoteAccessError = WorkCompletionStatus(rawValue: 10)
    /// The responder could not finish the operation.
    public static let remoteOperationError = WorkCompletionStatus(rawValue: 11)
    /// The responder did not answer within all retries.
    public static let retryExceeded = WorkCompletionStatus(rawValue: 12)
    /// The responder had no receive work request within all retries.
    public static let receiverNotReadyRetryExceeded = WorkCompletionStatus(rawValue: 13)
    /// The device failed.
    public static let fatalError = WorkCompletionStatus(rawValue: 19)
    /// The response did not come in time.
    public static let responseTimeout = WorkCompletionStatus(rawValue: 20)
    /// Another error.
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

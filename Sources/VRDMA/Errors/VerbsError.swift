internal import Glibc

/// Why a call of this module failed: the error number that a verbs program would see, and a text that names the call,
/// the limit and the remedy.
///
/// Every throwing function of the module throws this type. How a *request* ended is told by its completion
/// (`WorkCompletion.status`), not by an error.
public struct VerbsError: Error, Hashable, Sendable {
    /// The error number, as the manual page of the corresponding verb has it.
    public let code: Errno
    /// The call and the object that it concerned, such as `post to queue pair 17`.
    public let operation: String
    /// What is wrong, with the limit and what can be done about it.
    public let reason: String
    /// When a list of requests was posted: how many at its beginning are posted in spite of the error.
    public let postedCount: Int
    /// Whether the device is gone (`EIO`): its guest driver or its endpoint ended.
    public let isDeviceGone: Bool

    init(
        _ code: Errno, _ operation: String, _ reason: String, postedCount: Int = 0, isDeviceGone: Bool? = nil
    ) {
        self.code = code
        self.operation = operation
        self.reason = reason
        self.postedCount = postedCount
        self.isDeviceGone = isDeviceGone ?? (code == .inputOutput)
    }

    /// The task that waited was cancelled.
    static func cancelled(_ operation: String) -> VerbsError {
        VerbsError(Errno(rawValue: ECANCELED), operation, "the task was cancelled")
    }

    /// Whether this is about a task that was cancelled while it waited (`ECANCELED`).
    public var isCancellation: Bool { code.rawValue == ECANCELED }
}

extension VerbsError: CustomStringConvertible {
    /// One line: the call, what is wrong, and the words of strerror(3).
    public var description: String { "\(operation): \(reason) [\(code)]" }
}

/// Runs a call of the provider and explains its error.
///
/// `explain` gives the text for the errors that mean something particular to this call; nil leaves the general one.
func explaining<Result: ~Copyable>(
    _ operation: @autoclosure () -> String, _ explain: (Errno) -> String? = { _ in nil },
    _ call: () throws(Errno) -> Result
) throws(VerbsError) -> Result {
    do throws(Errno) {
        return try call()
    } catch {
        throw VerbsError(error, operation(), explain(error) ?? ErrorTexts.general(error))
    }
}

/// Runs a call of the provider that the host's device has a part in, and explains its error: `EIO` may be the device's.
func explaining<Result: ~Copyable>(
    _ operation: @autoclosure () -> String, of device: Device, _ explain: (Errno) -> String? = { _ in nil },
    _ call: () throws(Errno) -> Result
) throws(VerbsError) -> Result {
    do throws(Errno) {
        return try call()
    } catch {
        let isGone = error == .inputOutput && device.context.isUnreachable()
        let reason = isGone ? nil : explain(error) ?? HostErrorTexts.text(error, address: device.address)
        throw VerbsError(error, operation(), reason ?? ErrorTexts.general(error), isDeviceGone: isGone)
    }
}

/// Texts for errors that mean the same everywhere.
enum ErrorTexts {
    static func general(_ error: Errno) -> String {
        switch error {
        case .inputOutput:
            "the guest driver or the endpoint is gone; open the device again when both run"
        case .outOfMemory:
            "a limit of the guest or of the endpoint is reached; destroy objects that are not needed, or raise the "
                + "limit in the [limits] section of the endpoint's configuration"
        case .invalidArgument:
            "an argument is outside of what the device offers; compare it with Device.attributes"
        case .busy:
            "another object still uses it; release that first"
        case .notSupported:
            "the device does not offer this"
        case .timedOut:
            "the endpoint did not answer in time; see whether it runs (vrdma status)"
        case .protocolError:
            "the guest driver or the endpoint gave an answer that cannot be understood; check that their versions fit "
                + "this program's (vrdma \(VRDMAVersion.text))"
        default:
            "the call failed"
        }
    }

    /// For the limit of a kind of object.
    static func objectLimit(_ error: Errno, _ kind: String, limit: UInt32, key: String) -> String? {
        guard error == .outOfMemory else { return nil }
        return "a guest has at most \(limit) \(kind); destroy some, or raise '\(key)' in the endpoint's configuration"
    }
}

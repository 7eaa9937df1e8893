import CVRDMAABI
import SharedMemory
import Verbs

/// Carries the commands of many applications over one channel to the endpoint.
///
/// A value without IO: each method takes what happened and returns what to do. Every command gets a sequence of the
/// channel's own, since applications choose theirs freely, and the context of its connection, since no application may
/// speak for another's.
package struct CommandRouter {
    /// What the router may hold and how long a command may take.
    package struct Limits: Hashable, Sendable {
        /// Commands under way at one time, forgotten ones included.
        package var maximumPending = 4096
        /// Time after which a command without an answer fails with `ETIMEDOUT`.
        package var commandTimeoutNanoseconds: UInt64 = 10_000_000_000
        /// The same for REG_MR and DEREG_MR: a host device pins the pages of the whole region first.
        package var registrationTimeoutNanoseconds: UInt64 = 300_000_000_000

        /// Creates the default limits.
        package init() {}
    }

    /// Where a connection is on its way from OPEN_CONTEXT to CLOSE_CONTEXT.
    enum ContextState: Hashable {
        case none
        case opening
        case open(UInt32)
        case closing(UInt32)
        case closed
        /// The endpoint that had it is gone.
        case lost
    }

    struct Application {
        var processIdentifier: Int32
        var context = ContextState.none
        /// The channel's sequence of the command under way.
        var pendingSequence: UInt32?
    }

    struct Pending {
        /// Who waits for the reply; nil when nobody does any more.
        var application: ApplicationIdentifier?
        var applicationSequence: UInt32
        var opcode: UInt16
        /// The context that it was forwarded for, and whose that is; nil for a command of the guest driver's own.
        var context: UInt32
        var origin: ApplicationIdentifier?
        var serial: UInt64
    }

    /// The limits.
    package var limits: Limits
    /// Replies and events that had no receiver any more.
    package internal(set) var ignoredCount: UInt64 = 0

    var applications: [ApplicationIdentifier: Application] = [:]
    var applicationsByContext: [UInt32: ApplicationIdentifier] = [:]
    var pending: [UInt32: Pending] = [:]
    var deadlines = CommandDeadlines()
    var registrationDeadlines = CommandDeadlines()
    private var nextSequence: UInt32
    private var nextSerial: UInt64 = 0

    /// Creates a router without applications.
    ///
    /// - Parameter firstSequence: the first command's sequence; tests let it wrap around.
    package init(limits: Limits = Limits(), firstSequence: UInt32 = 1) {
        self.limits = limits
        nextSequence = firstSequence
    }

    /// The applications that are connected.
    package var applicationCount: Int { applications.count }

    /// The contexts that are open.
    package var contextCount: Int { applicationsByContext.count }

    /// Whether an application waits for a reply.
    package var isAnyoneWaiting: Bool { pending.values.contains { $0.application != nil } }

    /// Whether the endpoint owes replies.
    package var isCommandPending: Bool { !pending.isEmpty }

    /// Adds an application whose hello was accepted.
    package mutating func connect(_ identifier: ApplicationIdentifier, processIdentifier: Int32) {
        applications[identifier] = Application(processIdentifier: processIdentifier)
    }

    /// Whether the application's next command may be read now. Until then it waits in the application's socket: an
    /// application has one command under way, and all together have no more than the limit.
    package func mayReceive(from identifier: ApplicationIdentifier) -> Bool {
        guard let application = applications[identifier] else { return false }
        return application.pendingSequence == nil && pending.count < limits.maximumPending
    }

    /// Whether the application has a command under way.
    package func hasCommandPending(of identifier: ApplicationIdentifier) -> Bool {
        applications[identifier]?.pendingSequence != nil
    }

    /// Registers a command and returns its sequence in the channel.
    mutating func register(
        _ message: vrdma_message, of application: ApplicationIdentifier?, context: UInt32 = 0, nowNanoseconds: UInt64
    ) -> UInt32 {
        while pending[nextSequence] != nil { nextSequence &+= 1 }
        let sequence = nextSequence
        nextSequence &+= 1
        nextSerial &+= 1
        pending[sequence] = Pending(
            application: application, applicationSequence: message.sequence, opcode: message.opcode, context: context,
            origin: application, serial: nextSerial)
        if application != nil { setDeadline(of: sequence, opcode: message.opcode, nowNanoseconds) }
        return sequence
    }

    private mutating func setDeadline(of sequence: UInt32, opcode: UInt16, _ nowNanoseconds: UInt64) {
        let isRegistration =
            opcode == UInt16(VRDMA_OP_REG_MR.rawValue) || opcode == UInt16(VRDMA_OP_DEREG_MR.rawValue)
        let timeout = isRegistration ? limits.registrationTimeoutNanoseconds : limits.commandTimeoutNanoseconds
        let (sum, overflow) = nowNanoseconds.addingReportingOverflow(timeout)
        let deadline = overflow ? UInt64.max : sum
        if isRegistration {
            registrationDeadlines.append(sequence: sequence, serial: nextSerial, deadlineNanoseconds: deadline)
        } else {
            deadlines.append(sequence: sequence, serial: nextSerial, deadlineNanoseconds: deadline)
        }
    }

    /// CLOSE_CONTEXT on behalf of an application that is gone.
    mutating func closeCommand(context: UInt32, nowNanoseconds: UInt64) -> vrdma_message {
        var message = vrdma_message(opcode: VRDMA_OP_CLOSE_CONTEXT.rawValue, context: context)
        message.sequence = register(message, of: nil, nowNanoseconds: nowNanoseconds)
        return message
    }

    /// DEREG_MR of memory whose registration came when its application did not wait any more.
    mutating func deregisterCommand(context: UInt32, key: UInt32, nowNanoseconds: UInt64) -> vrdma_message {
        var message = vrdma_message(opcode: VRDMA_OP_DEREG_MR.rawValue, context: context)
        message.setPayload(vrdma_handle_command(handle: key, index: 0))
        message.sequence = register(message, of: nil, nowNanoseconds: nowNanoseconds)
        return message
    }
}

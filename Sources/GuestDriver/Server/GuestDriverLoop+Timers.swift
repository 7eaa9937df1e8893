import LinuxIO
import Service
import Verbs

extension GuestDriverLoop {
    /// How long to wait while commands wait for room, which nothing announces.
    private static let congestionNanoseconds: UInt64 = 1_000_000
    /// How long no connection is accepted after descriptors ran out.
    static let acceptPauseNanoseconds: UInt64 = 100_000_000

    /// Does what is due.
    func runTimers() throws(GuestDriverError) {
        try connectIfDue()
        while let (identifier, message) = router.expire(nowNanoseconds: nowNanoseconds) {
            log.warning(
                "the endpoint does not answer",
                [.init("opcode", message.opcode), .init("application", identifier.rawValue)])
            answer(identifier, message)
        }
        if nextTransientNanoseconds <= nowNanoseconds { endOverdueApplications() }
        if let pause = acceptPauseNanoseconds, pause <= nowNanoseconds { resumeAccepting() }
    }

    /// Ends the connection of an application at its deadline.
    func watchDeadline(of application: ApplicationConnection) {
        guard let deadline = application.deadlineNanoseconds else { return }
        transient.insert(application.identifier)
        nextTransientNanoseconds = min(nextTransientNanoseconds, deadline)
    }

    private func endOverdueApplications() {
        nextTransientNanoseconds = UInt64.max
        for identifier in transient {
            guard let application = applications[identifier], let deadline = application.deadlineNanoseconds else {
                transient.remove(identifier)
                continue
            }
            if deadline <= nowNanoseconds {
                disconnect(application)
            } else {
                nextTransientNanoseconds = min(nextTransientNanoseconds, deadline)
            }
        }
    }

    /// How long the loop may sleep; nil is for ever.
    func sleepNanoseconds() -> UInt64? {
        var next = UInt64.max
        switch endpoint {
        case .absent(let retry): next = retry
        case .greeting(_, let deadline): next = deadline
        case .connected(let link, _):
            if link.isCongested { next = nowNanoseconds &+ Self.congestionNanoseconds }
        }
        for deadline in [
            router.nextDeadlineNanoseconds(), acceptPauseNanoseconds, drainDeadlineNanoseconds,
        ] {
            next = min(next, deadline ?? UInt64.max)
        }
        next = min(next, nextTransientNanoseconds)
        if next == UInt64.max { return nil }
        return next > nowNanoseconds ? next - nowNanoseconds : 0
    }
}
